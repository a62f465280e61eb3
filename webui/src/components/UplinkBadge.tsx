// SPDX-License-Identifier: GPL-2.0-or-later
// Whether an uplink is up, or why it is not, in words.

import { t, tr } from "../texts";
import { Badge, type Tone } from "./Badge";

// What may pass by itself is no failure.
const tones: Record<string, Tone> = { disabled: "off", untested: "warn", held: "warn" };

export function UplinkBadge({ up, reason, name }: { up: boolean; reason: string | null; name?: string }) {
	const words = up ? t("uplinks.up") : reason ? tr("reason.uplink", reason) : t("uplinks.down");
	return <Badge tone={up ? "good" : tones[reason ?? ""] ?? "bad"}>{name ? `${name}: ${words}` : words}</Badge>;
}
