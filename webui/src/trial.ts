// SPDX-License-Identifier: GPL-2.0-or-later
// Changes on trial: the router takes them back unless they are confirmed in time. Confirming waits until the router
// has been reached over a connection that was made after the change; the router itself tells whether this one was.

import { request } from "./api";
import { getState, set } from "./state";
import type { Status, Trial } from "./types";

export type Outcome = "confirmed" | "undone" | "expired";

const secondsDefault = 60;
const asksInARow = 8;      // a browser may have six connections from before
const patienceMs = 5_000;  // for one answer: over a broken network there is none

// --- what is wanted, remembered by the browser ---

const askKey = "portico.ask";   // seconds for which a change is on trial; absent: no changes are
const keepKey = "portico.keep"; // present: kept by itself once the router is reached again

function recall(key: string): string | null {
	try {
		return localStorage.getItem(key);
	} catch {
		return null; // forbidden: nothing is remembered
	}
}

function remember(key: string, value: string | null): void {
	try {
		if (value === null)
			localStorage.removeItem(key);
		else
			localStorage.setItem(key, value);
	} catch {
		// as above
	}
}

const choice = { asks: recall(askKey) !== null, keeps: recall(keepKey) !== null };

export const asks = () => choice.asks;
export const keepsByItself = () => choice.keeps;

export function setAsks(on: boolean): void {
	choice.asks = on;
	remember(askKey, on ? String(secondsDefault) : null);
	set({}); // all that shows it
}

export function setKeepsByItself(on: boolean): void {
	choice.keeps = on;
	remember(keepKey, on ? "yes" : null);
	set({});
	void keepIfWanted();
}

// The path of a write, on trial if that is wanted.
export function onTrial(path: string): string {
	return choice.asks ? `${path}?confirm_within_s=${recall(askKey) ?? secondsDefault}` : path;
}

// --- what is on trial ---

let tell: (outcome: Outcome) => void = () => {};
let fail: (error: unknown) => void = () => {};
let mine = 0;  // the newest revision that was made here
let ended = 0; // the newest revision whose trial is over
let ticker: ReturnType<typeof setInterval> | undefined;
let asking = false;

// `onEnd` is told how a trial ended, `onFailure` why it could not be ended.
export function beginTrials(onEnd: typeof tell, onFailure: typeof fail): void {
	tell = onEnd;
	fail = onFailure;
	mine = ended = 0;
}

export function endTrials(): void {
	clearInterval(ticker);
	ticker = undefined;
	set({ trial: null, lost: false });
}

// After a write of ours, with the ETag of its answer.
export function made(etag: string | null): void {
	if (choice.asks)
		mine = Number(etag?.replace(/"/g, "") ?? 0);
	void keepIfWanted();
}

// What the router says of the trial, with the revision that it is at. Answers may be late: what is over stays over.
export function learn(trial: Trial | null, revision: number, outcome: Outcome | null = null): void {
	const known = getState().trial;
	if (trial && trial.revision > ended && trial.revision >= (known?.revision ?? 0)) {
		set({ trial, trialAt: Date.now(), now: Date.now(), ...(trial.reached ? { reached: trial.revision } : {}) });
		ticker ??= setInterval(tick, 1000);
		if (trial.revision !== known?.revision)
			void ask();
	} else if (!trial && known && (outcome || revision >= known.revision)) {
		ended = known.revision;
		endTrials();
		if (outcome)
			tell(outcome);
		else
			void find(known).then(tell, fail);
	}
}

export function secondsLeft(): number {
	const { trial, trialAt, now } = getState();
	return trial ? Math.max(0, Math.ceil(trial.remaining_s - (now - trialAt) / 1000)) : 0;
}

// The end of one came while we could not be told how: the revision behind it shows.
async function find({ revision, confirmed_revision }: Trial): Promise<Outcome> {
	const { body } = await request<{ items: { number: number; author: string; reason: string }[] }>(
		"GET", `/revisions?before=${revision + 2}&limit=1`);
	const next = body.items[0];
	if (next?.number !== revision + 1)
		return "confirmed";
	return next.author === "expiry" ? "expired" : next.reason === `restore of ${confirmed_revision}` ? "undone" : "confirmed";
}

// --- reaching the router ---

function tick(): void {
	if (!getState().trial)
		return;
	set({ now: Date.now() });
	if (!isReached() || secondsLeft() === 0)
		void ask();
}

const isReached = () => getState().trial?.revision === getState().reached;

// Each of the old connections is closed after one more answer.
async function ask(): Promise<void> {
	if (asking)
		return;
	asking = true;
	try {
		for (let i = 0; i < asksInARow && getState().trial && (i === 0 || !isReached()); i++) {
			const { body } = await request<Status>("GET", "/status", { timeoutMs: patienceMs });
			if (getState().lost)
				set({ lost: false, offline: false });
			learn(body.trial, body.revision);
		}
	} catch {
		set({ lost: true, offline: true }); // the next tick asks again
	} finally {
		asking = false;
	}
	await keepIfWanted();
}

async function keepIfWanted(): Promise<void> {
	const { trial } = getState();
	if (choice.keeps && trial && !trial.failure && isReached() && mine === trial.revision)
		await keep();
}

// --- the two ways out ---

let ending = false;

async function end(method: string, path: string, trial: Trial, outcome: Outcome): Promise<void> {
	if (ending)
		return;
	ending = true;
	try {
		const { body } = await request<{ revision: number }>(method, path, { ifMatch: `"${trial.revision}"` });
		learn(null, body.revision, outcome);
	} catch (error) {
		fail(error);
	} finally {
		ending = false;
	}
}

export async function keep(): Promise<void> {
	const { trial } = getState();
	if (trial)
		await end("POST", "/confirm", trial, "confirmed");
}

export async function undo(): Promise<void> {
	const { trial } = getState();
	if (trial)
		await end("POST", `/revisions/${trial.confirmed_revision}/restore`, trial, "undone");
}
