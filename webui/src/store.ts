// SPDX-License-Identifier: GPL-2.0-or-later
// What the page knows, and the only code that changes it. Views read the state and call actions.

import { Problem, get, request, setCsrf } from "./api";
import { t } from "./texts";
import type { Collections, Kind, Kinds, Link, Settings, Status } from "./types";

export type Phase = "loading" | "setup" | "login" | "ready";

export interface Notice {
	id: number;
	tone: "good" | "bad";
	text: string;
	undo?: () => void;
}

export interface State {
	phase: Phase;
	offline: boolean; // the daemon did not answer the last request
	sessionEnded: boolean; // we were logged in a moment ago
	status: Status | null;
	collections: Collections;
	links: Link[] | null;
	notices: Notice[];
	now: number;
}

let state: State = {
	phase: "loading",
	offline: false,
	sessionEnded: false,
	status: null,
	collections: empty(),
	links: null,
	notices: [],
	now: Date.now(),
};

const listeners = new Set<() => void>();

export function getState(): State {
	return state;
}

export function subscribe(listener: () => void): () => void {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

function set(change: Partial<State>): void {
	state = { ...state, ...change };
	listeners.forEach((listener) => listener());
}

function empty(): Collections {
	return { forwards: null, uplinks: null, networks: null, redirects: null, "source-nats": null };
}

// --- coming and going ---

export async function start(): Promise<void> {
	try {
		if (!(await get<{ finished: boolean }>("/setup")).finished) {
			set({ phase: "setup", offline: false });
			return;
		}
		const session = await get<{ csrf: string }>("/session");
		enter(session.csrf);
	} catch (error) {
		if (error instanceof Problem && error.status === 401) {
			set({ phase: "login", offline: false });
			return;
		}
		set({ offline: true });
		setTimeout(start, 2000);
	}
}

function enter(csrf: string): void {
	setCsrf(csrf);
	set({ phase: "ready", offline: false, sessionEnded: false });
	void loadAll();
	void poll();
}

function leave(sessionEnded: boolean): void {
	setCsrf("");
	set({ phase: "login", sessionEnded, status: null, collections: empty(), links: null, notices: [] });
}

export async function logIn(username: string, password: string): Promise<void> {
	const { body } = await request<{ csrf: string }>("POST", "/session", { body: { username, password } });
	enter(body.csrf);
}

export async function setUp(code: string, password: string): Promise<void> {
	await request("POST", "/setup", { body: { code, password } });
	await logIn("admin", password);
}

export async function logOut(): Promise<void> {
	try {
		await request("DELETE", "/session");
	} catch (error) {
		report(error);
		return;
	}
	leave(false);
}

// --- reading ---

// Which collections the visible view shows; they are read again and again.
let watched: Kind[] = [];

export function watch(kinds: Kind[]): void {
	watched = kinds;
	if (state.phase === "ready")
		void refresh();
}

async function loadAll(): Promise<void> {
	const kinds = Object.keys(state.collections) as Kind[];
	await Promise.all([...kinds.map(load), loadLinks()].map((done) => done.catch(failed)));
}

async function load(kind: Kind): Promise<void> {
	const { items } = await get<{ items: Kinds[Kind][] }>(`/${kind}`);
	set({ collections: { ...state.collections, [kind]: items } });
}

export async function loadLinks(): Promise<void> {
	set({ links: (await get<{ items: Link[] }>("/links")).items });
}

async function refresh(): Promise<void> {
	try {
		await Promise.all([
			get<Status>("/status").then((status) => set({ status })),
			...watched.map(load),
		]);
		set({ offline: false, now: Date.now() });
	} catch (error) {
		failed(error);
	}
}

// What a read that nobody asked for says when it fails.
function failed(error: unknown): void {
	if (!(error instanceof Problem) || error.status === 0)
		set({ offline: true });
	else if (error.status === 401 && state.phase === "ready")
		leave(true);
	else
		report(error);
}

const pollMs = 2000;
let timer: ReturnType<typeof setTimeout> | undefined;

// Every two seconds while the page can be seen; slower where an answer takes long (thousands of
// forwards on a small box), so that watching never costs more than a fifth of the daemon's time.
async function poll(): Promise<void> {
	clearTimeout(timer);
	if (state.phase !== "ready" || document.visibilityState === "hidden")
		return;
	const before = performance.now();
	await refresh();
	const took = performance.now() - before;
	clearTimeout(timer);
	timer = setTimeout(poll, Math.max(pollMs, 5 * took));
}

document.addEventListener("visibilitychange", () => void poll());

// --- writing ---

export interface Fetched<T> {
	object: T;
	etag: string | null;
}

// The newest version of an object, with the revision that it is of.
export async function fetchObject<K extends Kind>(kind: K, id: number): Promise<Fetched<Kinds[K]>> {
	const { body, etag } = await request<Kinds[K]>("GET", `/${kind}/${id}`);
	return { object: body, etag };
}

export async function create<K extends Kind>(kind: K, body: object): Promise<Kinds[K]> {
	return write<Kinds[K]>(kind, "POST", `/${kind}`, { body });
}

export async function change<K extends Kind>(
	kind: K, id: number, body: object, ifMatch: string | null = null,
): Promise<Kinds[K]> {
	return write<Kinds[K]>(kind, "PATCH", `/${kind}/${id}`, { body, ifMatch });
}

async function write<T>(kind: Kind, method: string, path: string, options: object): Promise<T> {
	try {
		return (await request<T>(method, path, options)).body;
	} catch (error) {
		if (error instanceof Problem && error.status === 401)
			leave(true);
		throw error;
	} finally {
		void refreshAfter(kind);
	}
}

// A change of one kind may rename references in another and changes states: read what is shown again.
async function refreshAfter(kind: Kind): Promise<void> {
	if (state.phase !== "ready")
		return;
	await refresh();
	if (!watched.includes(kind))
		await load(kind).catch(failed);
}

export async function toggle<K extends Kind>(kind: K, object: Kinds[K], enabled: boolean): Promise<void> {
	replace(kind, { ...object, enabled });
	try {
		await change(kind, object.id, { enabled });
		notify("good", t(enabled ? "notice.enabled" : "notice.disabled", { name: object.name }));
	} catch (error) {
		replace(kind, object);
		report(error);
	}
}

function replace<K extends Kind>(kind: K, object: Kinds[K]): void {
	const items = state.collections[kind] as Kinds[K][] | null;
	set({
		collections: {
			...state.collections,
			[kind]: items?.map((item) => (item.id === object.id ? object : item)) ?? null,
		},
	});
}

// Deletes at once, and offers to undo it.
export async function remove<K extends Kind>(kind: K, object: Kinds[K]): Promise<void> {
	try {
		await write(kind, "DELETE", `/${kind}/${object.id}`, {});
	} catch (error) {
		report(error);
		return;
	}
	notify("good", t("notice.deleted", { name: object.name }), async () => {
		try {
			await create(kind, object);
			notify("good", t("notice.restored", { name: object.name }));
		} catch (error) {
			report(error);
		}
	});
}

export async function saveSettings(body: Partial<Settings>, ifMatch: string | null): Promise<void> {
	await request<Settings>("PATCH", "/settings", { body, ifMatch });
	notify("good", t("notice.settings"));
	void refresh();
}

export async function fetchSettings(): Promise<Fetched<Settings>> {
	const { body, etag } = await request<Settings>("GET", "/settings");
	return { object: body, etag };
}

// --- telling ---

let nextNotice = 1;

export function notify(tone: Notice["tone"], text: string, undo?: () => void): void {
	const id = nextNotice++;
	const standing = state.notices.filter((notice) => notice.undo || notice.tone === "bad"); // the rest has been said
	set({ notices: [...standing.slice(-2), { id, tone, text, undo }] });
	setTimeout(() => dismiss(id), undo ? 15_000 : tone === "bad" ? 12_000 : 5_000);
}

export function dismiss(id: number): void {
	if (state.notices.some((notice) => notice.id === id))
		set({ notices: state.notices.filter((notice) => notice.id !== id) });
}

export function report(error: unknown): void {
	notify("bad", wordsOf(error));
}

// All that a problem says, for places that have no fields to show it at.
export function wordsOf(error: unknown): string {
	if (!(error instanceof Problem))
		return String(error);
	if (error.status === 429 && error.retryAfter !== null)
		return t("problem.wait", { seconds: error.retryAfter });
	const details = error.errors.map((e) => e.message).filter((message) => message !== error.message);
	return [error.message, ...details].join(" ");
}
