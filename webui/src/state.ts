// SPDX-License-Identifier: GPL-2.0-or-later
// What the page knows, in one immutable object. feed.ts keeps it up to date, store.ts acts on it.

import type { Collections, Kind, Kinds, Link, Status, Trial } from "./types";

export type Phase = "loading" | "setup" | "login" | "ready";

export interface Notice {
	id: number;
	tone: "good" | "bad" | "warn";
	text: string;
	undo?: () => void;
}

export interface State {
	phase: Phase;
	offline: boolean; // the daemon did not answer the last request
	sessionEnded: boolean; // we were logged in a moment ago
	status: Status | null;
	statusAt: number; // when the state of the kernel in it was received
	collections: Collections;
	links: Link[] | null;
	notices: Notice[];
	now: number;
	trial: Trial | null;
	trialAt: number; // when that was received
	reached: number; // the newest revision on trial with which the router was reached anew
	lost: boolean;   // that was tried, and the router did not answer
}

let state: State = {
	phase: "loading",
	offline: false,
	sessionEnded: false,
	status: null,
	statusAt: 0,
	collections: empty(),
	links: null,
	notices: [],
	now: Date.now(),
	trial: null,
	trialAt: 0,
	reached: 0,
	lost: false,
};

const listeners = new Set<() => void>();

export function getState(): State {
	return state;
}

export function subscribe(listener: () => void): () => void {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

export function set(change: Partial<State>): void {
	state = { ...state, ...change };
	listeners.forEach((listener) => listener());
}

export function empty(): Collections {
	return { forwards: null, uplinks: null, networks: null, redirects: null, "source-nats": null, policies: null };
}

export function setItems<K extends Kind>(kind: K, items: Kinds[K][]): void {
	set({ collections: { ...state.collections, [kind]: items } });
}

// Replaces the object with this id, or adds it where its id belongs.
export function putItem<K extends Kind>(kind: K, object: Kinds[K]): void {
	const items = state.collections[kind] as Kinds[K][] | null;
	if (!items)
		return;
	const next = items.slice();
	const at = items.findIndex((item) => item.id >= object.id);
	next.splice(at < 0 ? items.length : at, items[at]?.id === object.id ? 1 : 0, object);
	setItems(kind, next);
}

export function dropItem(kind: Kind, id: number): void {
	const items = state.collections[kind] as Kinds[Kind][] | null;
	if (items?.some((item) => item.id === id))
		setItems(kind, items.filter((item) => item.id !== id));
}

// Changes those of a collection that are named by their ids.
export function editItems<K extends Kind>(kind: K, edits: Map<number, (item: Kinds[K]) => Kinds[K]>): void {
	const items = state.collections[kind] as Kinds[K][] | null;
	if (items)
		setItems(kind, items.map((item) => edits.get(item.id)?.(item) ?? item));
}
