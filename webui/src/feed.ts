// SPDX-License-Identifier: GPL-2.0-or-later
// Keeps what is shown true while somebody looks: reads everything once, then follows the daemon's events. Where
// the stream of events cannot be had, asks again and again.

import { Problem, get } from "./api";
import { dropItem, editItems, getState, putItem, set, setItems } from "./state";
import { learn, type Outcome } from "./trial";
import type { Counters, Kind, Kinds, Kernel, Link, Measured, Status, Trial, UplinkStatus } from "./types";

const pollMs = 2000;
const heartbeatMs = 30_000;  // a connection may die without a word: an event stream would stay silent
const retryMs = 30_000;      // after the daemon refused a stream
const patienceMs = 3000;     // for a stream to open
const hiddenMs = 10_000;     // a browser has six connections for all tabs on this host
const fewChanges = 16;       // read one by one; more: the whole list

let failed: (error: unknown) => void = () => {};
let mended: (found: string[]) => void = () => {};
let running = false;

// `onFailure` is told why something could not be read, `onMended` what was put right in the kernel.
export function begin(onFailure: typeof failed, onMended: typeof mended): void {
	failed = onFailure;
	mended = onMended;
	running = true;
	lastId = "";
	retryAt = 0;
	resume();
	onVisibility();
}

export function end(): void {
	running = false;
	pause();
	forgetDue();
}

function resume(): void {
	if (!running || ticker !== undefined)
		return;
	ticker = setInterval(tick, 1000);
	connect();
}

function pause(): void {
	clearInterval(ticker);
	clearTimeout(poller);
	clearTimeout(impatience);
	ticker = undefined;
	polling = false;
	disconnect();
}

let hiding: ReturnType<typeof setTimeout> | undefined;

function onVisibility(): void {
	clearTimeout(hiding);
	if (document.visibilityState === "hidden")
		hiding = setTimeout(pause, hiddenMs);
	else
		resume();
}

document.addEventListener("visibilitychange", onVisibility);

// --- reading ---

// The kinds that the visible view shows: what is asked for where there are no events.
let watched: Kind[] = [];

export function watch(kinds: Kind[]): void {
	watched = kinds;
	if (polling)
		void poll();
}

export function load(kind: Kind): Promise<void> {
	return inTurn(kind, async () => {
		const { items } = await get<{ items: Kinds[Kind][] }>(`/${kind}`);
		return () => setItems(kind, items);
	});
}

function loadObject(kind: Kind, id: number): Promise<void> {
	return reading(async () => {
		try {
			const object = await get<Kinds[Kind]>(`/${kind}/${id}`);
			return (begun) => tell(() => putItem(kind, object), begun);
		} catch (error) {
			if (!(error instanceof Problem) || error.status !== 404)
				throw error;
			return (begun) => tell(() => dropItem(kind, id), begun);
		}
	});
}

function loadStatus(): Promise<void> {
	return inTurn("status", async () => {
		const status = await get<Status>("/status");
		const now = Date.now();
		return () => {
			set({ status, statusAt: now, now, offline: false });
			learn(status.trial, status.revision);
		};
	});
}

export async function loadLinks(): Promise<void> {
	set({ links: (await get<{ items: Link[] }>("/links")).items });
}

function allKinds(): Kind[] {
	return Object.keys(getState().collections) as Kind[];
}

let incomplete = false; // something could not be read, and no event will tell

async function loadAll(): Promise<void> {
	incomplete = false;
	const done = [loadStatus(), loadLinks(), ...allKinds().map(load)];
	await Promise.all(done.map((one) => one.catch(broken)));
}

// Asks, and gives what is to be done with the answer; `begun` is when it was asked.
type Read = () => Promise<(begun: number) => void>;

// One after the other, so that an older answer never replaces a newer one.
const turns: Record<string, Promise<void>> = {};

function inTurn(what: string, read: Read): Promise<void> {
	const mine = (turns[what] ?? Promise.resolve()).catch(() => {}).then(() => reading(read));
	turns[what] = mine;
	return mine;
}

// What was told of single objects while an answer was under way may be newer than the answer: it is said again.
let readings = 0;
let clock = 0;
let journal: { at: number; apply: () => void }[] = [];

async function reading(read: Read): Promise<void> {
	const begun = ++clock;
	readings++;
	try {
		const apply = await read();
		if (!running)
			return;
		apply(begun);
		journal.filter(({ at }) => at >= begun).sort((a, b) => a.at - b.at).forEach((told) => told.apply());
	} finally {
		if (--readings === 0)
			journal = [];
	}
}

function tell(apply: () => void, at: number = ++clock): void {
	if (readings > 0)
		journal.push({ at, apply });
	apply();
}

export function written<K extends Kind>(kind: K, object: Kinds[K]): void {
	tell(() => putItem(kind, object));
}

export function dropped(kind: Kind, id: number): void {
	due.objects.delete(`${kind}/${id}`);
	tell(() => dropItem(kind, id));
}

// --- what has to be read again ---

const due = { kinds: new Set<Kind>(), objects: new Map<string, [Kind, number]>(), status: false };
let reader: ReturnType<typeof setTimeout> | true | undefined; // a timer, or at work
let notBefore = 0;

function soon(): void {
	reader ??= setTimeout(readDue, Math.max(100, notBefore - performance.now()));
}

// Never more than a fifth of the daemon's time, however often something changes.
async function readDue(): Promise<void> {
	const [kinds, objects, status] = [[...due.kinds], [...due.objects.values()], due.status];
	const begun = performance.now();
	reader = true;
	forgetDue();
	try {
		await Promise.all([
			status ? loadStatus() : null,
			...kinds.map(load),
			...objects.filter(([kind]) => !kinds.includes(kind)).map(([kind, id]) => loadObject(kind, id)),
		]);
	} catch (error) {
		broken(error);
	}
	reader = undefined;
	notBefore = performance.now() + 4 * (performance.now() - begun);
	if (due.kinds.size || due.objects.size || due.status)
		soon();
}

function forgetDue(): void {
	due.kinds.clear();
	due.objects.clear();
	due.status = false;
}

function again(kind: Kind, id?: number): void {
	if (id === undefined || due.objects.size >= fewChanges)
		due.kinds.add(kind);
	else
		due.objects.set(`${kind}/${id}`, [kind, id]);
	soon();
}

function statusAgain(): void {
	due.status = true;
	soon();
}

// --- events ---

interface Hello { version: string; revision: number; trial: Trial | null; kernel: Kernel; uplinks: UplinkStatus[] }
interface Change { kind: string; id: number; what: "added" | "changed" | "removed" }
interface Revision { number: number; changes: Change[]; more: number }
interface ForwardEvent { id?: number; live: boolean; reason: string | null }

const kindOf: Record<string, Kind> = {
	forward: "forwards", uplink: "uplinks", network: "networks", redirect: "redirects", source_nat: "source-nats",
	policy: "policies",
};

const on = {
	// Everything may have changed since we heard last.
	hello({ version, revision, trial, kernel, uplinks }: Hello): void {
		const { status } = getState();
		if (status)
			set({ status: { ...status, version, revision, kernel, uplinks }, statusAt: Date.now() });
		learn(trial, revision);
		void loadAll();
	},

	revision({ number, changes, more }: Revision): void {
		const { status } = getState();
		if (status)
			set({ status: { ...status, revision: number } });
		// An uplink or a network decides about the state of others.
		if (more > 0 || changes.length > fewChanges || changes.some(({ kind }) => kind === "uplink" || kind === "network")) {
			allKinds().forEach((kind) => again(kind));
			statusAgain();
			return;
		}
		for (const { kind, id, what } of changes) {
			const mine = kindOf[kind];
			if (!mine)
				statusAgain();
			else if (what === "removed")
				dropped(mine, id);
			else
				again(mine, id);
		}
	},

	trial({ trial, outcome }: { trial: Trial | null; outcome: Outcome | null }): void {
		learn(trial, getState().status?.revision ?? 0, outcome);
	},

	uplink(uplink: UplinkStatus): void {
		tell(() => {
			const { status } = getState();
			if (status)
				set({ status: { ...status, uplinks: status.uplinks.map((u) => (u.id === uplink.id ? uplink : u)) } });
			editItems("uplinks", new Map([[uplink.id, (item) => ({ ...item, state: uplink })]]));
		});
		again("forwards"); // their addresses
		again("policies"); // by which uplink they lead now
	},

	// What is measured of uplinks, once a second.
	health({ items }: { items: ({ id: number; name: string } & Measured)[] }): void {
		const edits = new Map(items.map(({ id, name: _, ...measured }) =>
			[id, (item: Kinds["uplinks"]) => ({ ...item, state: item.state && { ...item.state, ...measured } })] as const));
		tell(() => editItems("uplinks", edits));
	},

	forward({ id, live, reason }: ForwardEvent): void {
		if (id === undefined) {
			again("forwards");
			return;
		}
		tell(() => editItems("forwards", new Map([[id, (item) =>
			({ ...item, state: { addresses: [], backends: [], ...item.state, live, reason } })]])));
		again("forwards", id);
	},

	counters({ items }: { items: ({ id: number } & Counters)[] }): void {
		const edits = new Map(items.map(({ id, ...counters }) =>
			[id, (item: Kinds["forwards"]) => ({ ...item, counters })] as const));
		tell(() => editItems("forwards", edits));
	},

	// The status says the same, and how the firewall beside us stands to it.
	kernel({ found }: { found: string[] }): void {
		loadStatus().catch(broken);
		if (found.length)
			mended(found);
	},
};

// --- the stream ---

let source: EventSource | null = null;
let following = false; // it is open
let lastId = "";       // of the last event that was received
let retryAt = 0;
let impatience: ReturnType<typeof setTimeout> | undefined;

function connect(): void {
	const mine = new EventSource(`/api/v1/events${lastId && `?last_event_id=${lastId}`}`);
	source = mine;
	mine.onopen = () => {
		following = true;
		polling = false;
		heartAt = Date.now();
		clearTimeout(poller);
		clearTimeout(impatience);
		set({ offline: false, now: Date.now() });
		if (incomplete)
			void loadAll();
	};
	mine.onerror = () => {
		following = false;
		if (mine.readyState === EventSource.CLOSED) { // refused; otherwise the browser tries again by itself
			disconnect();
			retryAt = Date.now() + retryMs;
		}
		void poll();
	};
	for (const [name, handle] of Object.entries(on))
		mine.addEventListener(name, (event: MessageEvent<string>) => {
			lastId = event.lastEventId;
			handle(JSON.parse(event.data));
		});
	clearTimeout(impatience);
	impatience = setTimeout(() => void poll(), patienceMs);
}

function disconnect(): void {
	source?.close();
	source = null;
	following = false;
}

// Where the daemon does not answer, the stream is dead too, known to the browser or not.
function broken(error: unknown): void {
	incomplete = true;
	failed(error);
	if (following && error instanceof Problem && error.status === 0) {
		disconnect();
		void poll();
	}
}

let ticker: ReturnType<typeof setInterval> | undefined;
let heartAt = 0;

// Ages are shown in seconds at first, and the time until the kernel is asked again is counted down.
function tick(): void {
	const now = Date.now();
	if (getState().status?.kernel.retry_in_s != null || now - getState().now >= 5000)
		set({ now });
	if (following && now - heartAt >= heartbeatMs) {
		heartAt = now;
		heartbeat().catch(broken);
	}
}

// No event tells that the prefix of a LAN is another one.
async function heartbeat(): Promise<void> {
	if (incomplete)
		return loadAll();
	const follows = getState().collections.forwards?.some((forward) => forward.internal_address.includes("/"));
	await Promise.all([
		loadStatus(),
		...watched.filter((kind) => kind !== "forwards" || follows).map(load),
	]);
}

// --- where there is no stream ---

let polling = false;
let poller: ReturnType<typeof setTimeout> | undefined;

// After a write. With a stream, its events tell.
export function catchUp(kind: Kind): void {
	if (following)
		return;
	void refresh();
	if (!watched.includes(kind))
		load(kind).catch(failed);
}

async function refresh(): Promise<void> {
	try {
		await Promise.all([loadStatus(), ...watched.map(load)]);
		set({ now: Date.now() });
	} catch (error) {
		failed(error);
	}
}

// Every two seconds; slower where an answer takes long (thousands of forwards on a small box), so that watching
// never costs more than a fifth of the daemon's time.
async function poll(): Promise<void> {
	clearTimeout(poller);
	if (following || ticker === undefined)
		return;
	polling = true;
	const begun = performance.now();
	await (allKinds().some((kind) => getState().collections[kind] === null) ? loadAll() : refresh());
	const took = performance.now() - begun;
	clearTimeout(poller);
	if (ticker === undefined || following)
		return;
	if (!source && Date.now() >= retryAt)
		connect();
	poller = setTimeout(() => void poll(), Math.max(pollMs, 5 * took));
}
