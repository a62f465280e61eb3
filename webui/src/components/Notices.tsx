// SPDX-License-Identifier: GPL-2.0-or-later
// Results of actions, said aloud by screen readers.

import { dismiss, type Notice } from "../store";
import { t } from "../texts";
import { Icon } from "./Icons";

export function Notices({ notices }: { notices: Notice[] }) {
	return (
		<div class="notices" role="status" aria-live="polite">
			{notices.map((notice) => (
				<div key={notice.id} class={`notice notice-${notice.tone}`}>
					<span>{notice.text}</span>
					{notice.undo && (
						<button type="button" class="notice-undo" onClick={() => { dismiss(notice.id); notice.undo!(); }}>
							{t("action.undo")}
						</button>
					)}
					<button type="button" class="icon-button" aria-label={t("action.dismiss")} onClick={() => dismiss(notice.id)}>
						<Icon name="close" />
					</button>
				</div>
			))}
		</div>
	);
}
