// SPDX-License-Identifier: GPL-2.0-or-later
// What can be done on the page. Views read the state and call these.

import { Problem, get, request, sentence, setCsrf } from "./api";
import { begin, catchUp, dropped, end, loadLinks, watch, written } from "./feed";
import { empty, getState, putItem, set, subscribe, type Notice, type State } from "./state";
import { t } from "./texts";
import { beginTrials, endTrials, made, onTrial } from "./trial";
import type { Kind, Kinds, Named, Settings } from "./types";

export { getState, loadLinks, subscribe, watch, type Notice, type State };

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
	beginTrials(
		(outcome) => notify(outcome === "expired" ? "warn" : "good", t(`trial.${outcome}`), { stays: outcome === "expired" }),
		report,
	);
	begin(failed, (found) => notify("warn", t("notice.mended", { found: found.join("; ") })));
}

function leave(sessionEnded: boolean): void {
	end();
	endTrials();
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

// What a read that nobody asked for says when it fails.
function failed(error: unknown): void {
	if (!(error instanceof Problem) || error.status === 0)
		set({ offline: true });
	else if (error.status !== 401)
		report(error);
	else if (getState().phase === "ready")
		leave(true);
}

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
	return write(kind, "POST", `/${kind}`, { body });
}

export async function change<K extends Kind>(
	kind: K, id: number, body: object, ifMatch: string | null = null,
): Promise<Kinds[K]> {
	return write(kind, "PATCH", `/${kind}/${id}`, { body, ifMatch });
}

async function write<K extends Kind>(kind: K, method: string, path: string, options: object): Promise<Kinds[K]> {
	try {
		const { body, etag } = await request<Kinds[K]>(method, onTrial(path), options);
		made(etag);
		if (method !== "DELETE")
			written(kind, body);
		return body;
	} catch (error) {
		if (error instanceof Problem && error.status === 401)
			leave(true);
		throw error;
	} finally {
		if (getState().phase === "ready")
			catchUp(kind); // a change may rename references in other kinds, and change states
	}
}

export async function toggle<K extends Kind>(kind: K, object: Kinds[K], enabled: boolean): Promise<void> {
	putItem(kind, { ...object, enabled });
	try {
		told(await change(kind, object.id, { enabled }), t(enabled ? "notice.enabled" : "notice.disabled", { name: object.name }));
	} catch (error) {
		putItem(kind, object);
		report(error);
	}
}

// Deletes at once, and offers to undo it.
export async function remove<K extends Kind>(kind: K, object: Kinds[K]): Promise<void> {
	try {
		await write(kind, "DELETE", `/${kind}/${object.id}`, {});
	} catch (error) {
		report(error);
		return;
	}
	dropped(kind, object.id);
	notify("good", t("notice.deleted", { name: object.name }), {
		undo: async () => {
			try {
				told(await create(kind, object), t("notice.restored", { name: object.name }));
			} catch (error) {
				report(error);
			}
		},
	});
}

export async function saveSettings(body: Partial<Settings>, ifMatch: string | null): Promise<void> {
	made((await request<Settings>("PATCH", onTrial("/settings"), { body, ifMatch })).etag);
	notify("good", t("notice.settings"));
}

export async function fetchSettings(): Promise<Fetched<Settings>> {
	const { body, etag } = await request<Settings>("GET", "/settings");
	return { object: body, etag };
}

// --- telling ---

let nextNotice = 1;

const noticeMs = { good: 5_000, bad: 12_000, warn: 12_000 };
const noticesMax = 6;

interface Telling {
	undo?: () => void;
	stays?: boolean; // until it is dismissed
}

export function notify(tone: Notice["tone"], text: string, { undo, stays }: Telling = {}): void {
	const id = nextNotice++;
	const standing = getState().notices.filter((notice) => notice.text !== text && (notice.undo || notice.tone !== "good"));
	set({ notices: [...standing.slice(1 - noticesMax), { id, tone, text, undo }] });
	if (!stays)
		setTimeout(() => dismiss(id), undo ? 15_000 : noticeMs[tone]);
}

// What has been done, and what the daemon warns about it.
export function told(object: Named, done: string): void {
	notify("good", done);
	for (const { message } of object.warnings ?? [])
		notify("warn", t("notice.warning", { name: object.name, message: sentence(message) }), { stays: true });
}

export function dismiss(id: number): void {
	if (getState().notices.some((notice) => notice.id === id))
		set({ notices: getState().notices.filter((notice) => notice.id !== id) });
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
