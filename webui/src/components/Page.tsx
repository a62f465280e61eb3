// SPDX-License-Identifier: GPL-2.0-or-later
// The frame that all views of a collection share: heading, button, list or an explanation, editor.

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { go, href, type Route } from "../router";
import { remove, toggle, type State } from "../store";
import { t, type Key } from "../texts";
import type { Kind, Kinds } from "../types";
import { Editor, type Editing } from "./Editor";
import { Icon } from "./Icons";
import { Table, type Column } from "./Table";

interface Props<K extends Kind> {
	editing: Editing<K>;
	columns: Column<Kinds[K]>[];
	searchText: (item: Kinds[K]) => string;
	switchable: boolean;
	state: State;
	route: Route;
	above?: ComponentChildren;
	order?: (a: Kinds[K], b: Kinds[K]) => number; // as the list stands; without it by id
}

export function CollectionPage<K extends Kind>(props: Props<K>) {
	const { editing, columns, searchText, switchable, state, route, above, order } = props;
	const { kind } = editing;
	const given = state.collections[kind] as Kinds[K][] | null;
	const items = useMemo(() => (given && order ? [...given].sort(order) : given), [given, order]);
	const say = (what: "intro" | "add" | "empty.title" | "empty.text") => t(`${kind}.${what}` as Key);
	const add = (
		<a class="button button-primary" href={href(kind, "new")}><Icon name="plus" />{say("add")}</a>
	);
	return (
		<>
			<header class="view-head">
				<div>
					<h1 tabIndex={-1}>{t(`nav.${kind}`)}</h1>
					<p>{say("intro")}</p>
				</div>
				{items && items.length > 0 && add}
			</header>
			{above}
			{items === null ? <p class="list-none">{t("state.loading")}</p>
				: items.length === 0 ? (
					<div class="empty">
						<h2>{say("empty.title")}</h2>
						<p>{say("empty.text")}</p>
						{add}
					</div>
				) : (
					<Table caption={t(`nav.${kind}`)} items={items} columns={columns} searchText={searchText}
						editHref={(item) => href(kind, item.id)}
						onToggle={switchable ? (item, on) => void toggle(kind, item, on) : undefined}
						onDelete={(item) => void removeRow(kind, item)} />
				)}
			{route.open !== null && (
				<Editor key={`${kind}-${route.open}`} editing={editing} id={route.open} state={state} onClose={() => go(kind)} />
			)}
		</>
	);
}

// The button that had the focus goes with its row: the heading takes it.
async function removeRow<K extends Kind>(kind: K, item: Kinds[K]): Promise<void> {
	await remove(kind, item);
	requestAnimationFrame(() => {
		if (document.activeElement === document.body)
			document.querySelector("h1")?.focus();
	});
}
