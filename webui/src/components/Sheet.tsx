// SPDX-License-Identifier: GPL-2.0-or-later
// A dialog at the side (on a phone: over everything). The browser's own modal dialog keeps the
// focus inside, closes on Escape and gives the focus back.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useId, useRef } from "preact/hooks";
import { t } from "../texts";
import { Icon } from "./Icons";

interface Props {
	title: string;
	children: ComponentChildren;
	onClose: () => void;
}

export function Sheet({ title, children, onClose }: Props) {
	const dialog = useRef<HTMLDialogElement>(null);
	const titleId = useId();

	useLayoutEffect(() => {
		const element = dialog.current!;
		const before = document.activeElement as HTMLElement | null;
		element.showModal();
		return () => {
			element.close();
			// The button that opened us may be gone: the first object takes the place of "nothing yet".
			(before?.isConnected ? before : document.querySelector<HTMLElement>("h1"))?.focus();
		};
	}, []);

	return (
		<dialog ref={dialog} class="sheet" aria-labelledby={titleId}
			onCancel={(e) => { e.preventDefault(); onClose(); }}
			onClose={() => { if (dialog.current) onClose(); }}>
			<div class="sheet-frame">
				<header class="sheet-head">
					<h2 id={titleId}>{title}</h2>
					<button type="button" class="icon-button" aria-label={t("action.close")} onClick={onClose}>
						<Icon name="close" />
					</button>
				</header>
				{children}
			</div>
		</dialog>
	);
}
