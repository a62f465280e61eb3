// SPDX-License-Identifier: GPL-2.0-or-later
// What differs between two configurations: each object, and each of its fields with both values.

import { changeLines, changeWords, fieldLabel, isEmpty, valueWords } from "../changes";
import { formatNumber, t, tn } from "../texts";
import type { Change } from "../types";

const shownMax = 100; // a whole configuration may have been replaced

export function Differences({ changes }: { changes: Change[] }) {
	return (
		<div class="changes">
			{changes.slice(0, shownMax).map((change) => <One key={`${change.kind} ${change.id}`} change={change} />)}
			{changes.length > shownMax && <p>{tn("changes.more", changes.length - shownMax)}</p>}
		</div>
	);
}

function One({ change }: { change: Change }) {
	const lines = changeLines(change);
	return (
		<section class={`change change-${change.what}`}>
			<h4>{changeWords(change)}</h4>
			{lines.length > 0 && (
				<table class="differences">
					<thead class="aside">
						<tr><td /><th scope="col">{t("changes.before")}</th><th scope="col">{t("changes.after")}</th></tr>
					</thead>
					<tbody>
						{lines.map(({ path, before, after }) => (
							<tr key={path}>
								<th scope="row">{fieldLabel(change.kind, path) ?? <code>{path}</code>}</th>
								{change.what !== "added" && <td class={isEmpty(before) ? "none" : "was"}>{valueWords(before)}</td>}
								{change.what !== "removed" && <td class={isEmpty(after) ? "none" : "is"}>{valueWords(after)}</td>}
							</tr>
						))}
					</tbody>
				</table>
			)}
		</section>
	);
}

// One line for a list: the first few, and how many there are beyond them.
export function changesLine(changes: Pick<Change, "kind" | "name" | "what">[], more: number): string {
	const named = 2;
	const beyond = Math.max(0, changes.length - named) + more;
	const words = changes.slice(0, named).map(changeWords).join(", ");
	return beyond ? t("changes.and", { words, n: formatNumber(beyond) }) : words;
}
