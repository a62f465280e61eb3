// SPDX-License-Identifier: GPL-2.0-or-later
// The revisions: what was changed, when and by whom; what differs between two; and the way back.

import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../api";
import { Badge } from "../components/Badge";
import { Differences, changesLine } from "../components/Differences";
import { Sheet } from "../components/Sheet";
import { TrialSwitch } from "../components/Trial";
import { compareRevisions, fetchRevision, fetchRevisions, restoreRevision } from "../history";
import { go, href, type Route } from "../router";
import { report, wordsOf, type State } from "../store";
import { formatAge, formatNumber, formatTime, t } from "../texts";
import type { Change, Revision, RevisionItem } from "../types";

export function History({ state, route }: { state: State; route: Route }) {
	const [items, setItems] = useState<RevisionItem[] | null>(null);
	const [next, setNext] = useState<number | null>(null);
	const newest = state.status?.revision;

	// Those that are new; all others stay as they were.
	useEffect(() => {
		fetchRevisions().then((page) => {
			const oldest = page.items[page.items.length - 1]?.number ?? 0;
			const older = items?.filter(({ number }) => number < oldest) ?? [];
			setItems([...page.items, ...older]);
			if (!older.length)
				setNext(page.next);
		}, report);
	}, [newest, state.trial === null]); // who kept it stands with a revision when its trial is over

	const more = async () => {
		try {
			const page = await fetchRevisions(next!);
			setItems([...items!, ...page.items]);
			setNext(page.next);
		} catch (error) {
			report(error);
		}
	};

	return (
		<div class="history">
			<header class="view-head">
				<div>
					<h1 tabIndex={-1}>{t("nav.history")}</h1>
					<p>{t("history.intro")}</p>
				</div>
			</header>
			{items === null ? <p class="list-none">{t("state.loading")}</p>
				: items.length === 0 ? <p class="list-none">{t("history.none")}</p>
				: <List items={items} state={state} />}
			{next !== null && <p class="history-more"><button type="button" class="button" onClick={more}>{t("history.more")}</button></p>}
			{typeof route.open === "number" && (
				<RevisionSheet key={route.open} number={route.open} items={items ?? []} state={state} />
			)}
		</div>
	);
}

function List({ items, state }: { items: RevisionItem[]; state: State }) {
	return (
		<table class="table">
			<caption class="aside">{t("nav.history")}</caption>
			<thead>
				<tr>
					<th scope="col">{t("history.column.revision")}</th>
					<th scope="col">{t("history.column.what")}</th>
					<th scope="col">{t("history.column.who")}</th>
					<th scope="col">{t("history.column.when")}</th>
				</tr>
			</thead>
			<tbody>
				{items.map((item) => (
					<tr key={item.number} data-revision={item.number}>
						<td class="cell-name" data-label={t("history.column.revision")}>
							<a class="name mono" href={href("history", item.number)}
								aria-label={t("history.open", { n: item.number })}>{formatNumber(item.number)}</a>
							<Mark number={item.number} state={state} />
						</td>
						<td class="cell-what" data-label={t("history.column.what")}>
							{changesLine(item.changes, item.more)}
							{!isRequest(item.reason) && <span class="under">{reasonWords(item.reason)}</span>}
						</td>
						<td data-label={t("history.column.who")}>
							{authorWords(item.author)}
							{item.confirmation && <span class="under">{keptWords(item.confirmation)}</span>}
						</td>
						<td data-label={t("history.column.when")}>
							{item.at && <time dateTime={item.at} title={formatTime(item.at)}>{formatAge(item.at, state.now)}</time>}
						</td>
					</tr>
				))}
			</tbody>
		</table>
	);
}

function Mark({ number, state: { trial, status } }: { number: number; state: State }) {
	if (trial && number > trial.confirmed_revision && number <= trial.revision)
		return <span class="tag tag-trial">{t("history.on-trial")}</span>;
	return number === status?.revision ? <Badge tone="good">{t("history.present")}</Badge> : null;
}

// What a request did stands beside it already.
const isRequest = (reason: string) => reason.includes(" /api/");

function reasonWords(reason: string): string {
	const restored = /^restore of (\d+)$/.exec(reason)?.[1];
	return restored ? t("history.restored", { n: restored }) : reason.charAt(0).toUpperCase() + reason.slice(1);
}

function authorWords(author: string): string {
	if (author === "root")
		return t("history.root");
	if (author === "expiry")
		return t("history.expiry");
	return author.startsWith("token ") ? t("history.token", { name: author.slice(6) }) : author;
}

function keptWords({ author }: NonNullable<RevisionItem["confirmation"]>): string {
	return t("history.kept", { who: authorWords(author) });
}

// --- one revision ---

function RevisionSheet({ number, items, state }: { number: number; items: RevisionItem[]; state: State }) {
	const [revision, setRevision] = useState<Revision | null>(null);
	const [trouble, setTrouble] = useState<string | null>(null);
	const [tab, setTab] = useState<"changed" | "differs">("changed");
	useEffect(() => {
		fetchRevision(number).then(setRevision, (error) => setTrouble(wordsOf(error)));
	}, []);
	const close = () => go("history");
	return (
		<Sheet title={t("history.title", { n: formatNumber(number) })} onClose={close}>
			{!revision ? <p class="form-body" role="status">{trouble ?? t("state.loading")}</p> : (
				<div class="form">
					<div class="form-body">
						<p>
							{revision.at && formatTime(revision.at)}, {authorWords(revision.author)}
							{!isRequest(revision.reason) && `: ${reasonWords(revision.reason)}`}
						</p>
						{revision.confirmation && (
							<p>
								{revision.confirmation.at && `${formatTime(revision.confirmation.at)}, `}
								{keptWords(revision.confirmation)}
							</p>
						)}
						<div class="segments" role="group" aria-label={t("history.show")}>
							{(["changed", "differs"] as const).map((value) => (
								<label key={value}>
									<input type="radio" name="tab" checked={tab === value} onChange={() => setTab(value)} />
									<span>{t(`history.tab.${value}`)}</span>
								</label>
							))}
						</div>
						{tab === "changed" ? <Differences changes={revision.changes} />
							: <Compare number={number} items={items} state={state} />}
					</div>
					<Restore number={number} state={state} onDone={close} />
				</div>
			)}
		</Sheet>
	);
}

// From this revision to another one, at first the present one.
function Compare({ number, items, state }: { number: number; items: RevisionItem[]; state: State }) {
	const [to, setTo] = useState("");
	const [changes, setChanges] = useState<Change[] | null>(null);
	const [trouble, setTrouble] = useState<string | null>(null);
	const present = state.status?.revision;
	useEffect(() => {
		setTrouble(null);
		compareRevisions(number, to ? Number(to) : null)
			.then((diff) => setChanges(diff.changes), (error) => setTrouble(wordsOf(error)));
	}, [to, to ? 0 : present]);
	return (
		<>
			<div class="field">
				<label for="compare-to">{t("history.compare")}</label>
				<select id="compare-to" value={to} onChange={(e) => setTo(e.currentTarget.value)}>
					<option value="">{t("history.compare.present")}</option>
					{items.filter((item) => item.number !== number && item.number !== present).map((item) => (
						<option key={item.number} value={item.number}>
							{`${formatNumber(item.number)}: ${changesLine(item.changes, item.more)}`}
						</option>
					))}
				</select>
			</div>
			{trouble ? <p class="form-trouble" role="alert">{trouble}</p>
				: changes === null ? <p role="status">{t("state.loading")}</p>
				: changes.length === 0 ? <p>{t("history.same")}</p>
				: <Differences changes={changes} />}
		</>
	);
}

function Restore({ number, state, onDone }: { number: number; state: State; onDone: () => void }) {
	const [busy, setBusy] = useState(false);
	const [trouble, setTrouble] = useState<string | null>(null);
	const message = useRef<HTMLParagraphElement>(null);
	const present = state.status?.revision ?? number;
	useEffect(() => message.current?.focus(), [trouble]);
	if (number === present)
		return null;
	const restore = async () => {
		setBusy(true);
		setTrouble(null);
		try {
			await restoreRevision(number, present);
			onDone();
		} catch (error) {
			setTrouble(error instanceof Problem && error.status === 412 ? t("history.stale") : wordsOf(error));
			setBusy(false);
		}
	};
	return (
		<div class="form-actions">
			{trouble && <p ref={message} tabIndex={-1} class="form-trouble" role="alert">{trouble}</p>}
			<button type="button" class="button button-primary" aria-disabled={busy} onClick={() => !busy && void restore()}>
				{t(busy ? "history.restoring" : "history.restore")}
			</button>
			<TrialSwitch />
		</div>
	);
}
