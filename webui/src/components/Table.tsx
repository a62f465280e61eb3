// SPDX-License-Identifier: GPL-2.0-or-later
// A list of objects: a table, on a narrow screen one card each. Filtered and paged, so that ten
// thousand of them cost no more than fifty.

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { compareTexts, formatNumber, t, tn } from "../texts";
import type { Named } from "../types";
import { Icon } from "./Icons";
import { Switch } from "./Switch";

export interface Column<T> {
	key: string;
	head: string;
	cell: (item: T) => ComponentChildren;
	sort?: (item: T) => string | number; // the column can be sorted by this
	number?: boolean;
	quiet?: (item: T) => boolean; // left out of a card
}

interface Props<T extends Named> {
	caption: string;
	items: T[];
	columns: Column<T>[];
	searchText: (item: T) => string;
	editHref: (item: T) => string;
	onToggle?: (item: T, on: boolean) => void;
	onDelete: (item: T) => void;
}

const pageSize = 50;
const filterFrom = 8; // fewer need no filter

export function Table<T extends Named>(props: Props<T>) {
	const { caption, items, columns, onToggle, onDelete, editHref } = props;
	const [filter, setFilter] = useState("");
	const [page, setPage] = useState(0);
	const [order, setOrder] = useState<{ key: string; down: boolean } | null>(null);
	useEffect(() => setPage(0), [filter, order]);

	const found = useMemo(() => select(props, filter, order), [items, filter, order]);
	const pages = Math.max(1, Math.ceil(found.length / pageSize));
	const shown = Math.min(page, pages - 1);
	const rows = found.slice(shown * pageSize, (shown + 1) * pageSize);

	const sortBy = (key: string) =>
		setOrder((now) => (now?.key !== key ? { key, down: false } : now.down ? null : { key, down: true }));

	return (
		<div class="list">
			{(items.length >= filterFrom || filter) && (
				<div class="list-tools">
					<label class="filter">
						<Icon name="search" />
						<input type="search" aria-label={t("list.filter")} placeholder={t("list.filter.hint")} value={filter}
							onInput={(e) => setFilter(e.currentTarget.value)} />
					</label>
					<span class="list-count" role="status">
						{tn("list.found", found.length, { all: formatNumber(items.length) })}
					</span>
				</div>
			)}
			{rows.length === 0 ? <p class="list-none">{t("list.none", { text: filter })}</p> : (
				<table class="table">
					<caption class="aside">{caption}</caption>
					<thead>
						<tr>
							{onToggle && <th scope="col" class="cell-switch"><span class="aside">{t("column.on")}</span></th>}
							{columns.map((column) => (
								<th key={column.key} scope="col" class={column.number ? "cell-number" : undefined}
									aria-sort={order?.key !== column.key ? undefined : order.down ? "descending" : "ascending"}>
									{column.sort
										? <button type="button" class="sort" onClick={() => sortBy(column.key)}>{column.head}</button>
										: column.head}
								</th>
							))}
							<th scope="col" class="cell-actions"><span class="aside">{t("column.actions")}</span></th>
						</tr>
					</thead>
					<tbody>
						{rows.map((item) => (
							<tr key={item.id} data-id={item.id} data-name={item.name} class={item.enabled === false ? "row-off" : undefined}>
								{onToggle && (
									<td class="cell-switch">
										<Switch label={t("action.switch", { name: item.name })} on={item.enabled ?? true}
											onChange={(on) => onToggle(item, on)} />
									</td>
								)}
								{columns.map((column) => (
									<td key={column.key} data-label={column.head}
										class={`cell-${column.key} ${column.number ? "cell-number" : ""} ${column.quiet?.(item) ? "cell-quiet" : ""}`}>
										{column.cell(item)}
									</td>
								))}
								<td class="cell-actions">
									<a class="icon-button" href={editHref(item)} aria-label={t("action.edit.named", { name: item.name })}>
										<Icon name="pencil" />
									</a>
									<button type="button" class="icon-button" aria-label={t("action.delete.named", { name: item.name })}
										onClick={() => onDelete(item)}>
										<Icon name="trash" />
									</button>
								</td>
							</tr>
						))}
					</tbody>
				</table>
			)}
			{pages > 1 && (
				<nav class="pager" aria-label={caption}>
					<button type="button" class="icon-button" disabled={shown === 0} aria-label={t("list.previous")}
						onClick={() => setPage(shown - 1)}><Icon name="left" /></button>
					<span>
						{t("list.page", {
							from: formatNumber(shown * pageSize + 1),
							to: formatNumber(shown * pageSize + rows.length),
							n: formatNumber(found.length),
						})}
					</span>
					<button type="button" class="icon-button" disabled={shown === pages - 1} aria-label={t("list.next")}
						onClick={() => setPage(shown + 1)}><Icon name="right" /></button>
				</nav>
			)}
		</div>
	);
}

// What is searched, of each object: they are never changed, only replaced.
const texts = new WeakMap<Named, string>();

function select<T extends Named>(
	{ items, columns, searchText }: Props<T>, filter: string, order: { key: string; down: boolean } | null,
): T[] {
	const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
	const found = !words.length ? items : items.filter((item) => {
		let text = texts.get(item);
		if (text === undefined)
			texts.set(item, text = searchText(item).toLowerCase());
		return words.every((word) => text.includes(word));
	});
	const rank = columns.find((column) => column.key === order?.key)?.sort;
	if (!rank)
		return found;
	const sign = order!.down ? -1 : 1;
	return found.map((item) => ({ item, rank: rank(item) }))
		.sort((a, b) => sign * (typeof a.rank === "number" && typeof b.rank === "number"
			? a.rank - b.rank
			: compareTexts(String(a.rank), String(b.rank))))
		.map(({ item }) => item);
}
