// SPDX-License-Identifier: GPL-2.0-or-later
// A text to be taken away, with a button that copies it.

import { useState } from "preact/hooks";
import { t } from "../texts";
import { Icon } from "./Icons";

export function Share({ text }: { text: string }) {
	const [copied, setCopied] = useState(false);
	const copy = async () => {
		try {
			await navigator.clipboard.writeText(text);
			setCopied(true);
		} catch {
			setCopied(false); // the text stays there to be selected
		}
	};
	return (
		<div class="share">
			<output class="mono">{text}</output>
			<button type="button" class="button" onClick={copy}><Icon name="copy" />{t(copied ? "action.copied" : "action.copy")}</button>
		</div>
	);
}
