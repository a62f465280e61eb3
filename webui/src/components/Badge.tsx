// SPDX-License-Identifier: GPL-2.0-or-later
// A state: a dot whose shape differs as well as its colour, and words.

import type { ComponentChildren } from "preact";

export type Tone = "good" | "bad" | "warn" | "off";

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
	return <span class={`badge badge-${tone}`}><span class="dot" aria-hidden="true" />{children}</span>;
}
