// SPDX-License-Identifier: GPL-2.0-or-later
// Revisions and tokens: asked for when they are looked at.

import { get, request } from "./api";
import { notify } from "./store";
import { formatNumber, t } from "./texts";
import { made, onTrial } from "./trial";
import type { Change, Revision, RevisionItem, Token } from "./types";

export interface RevisionPage { items: RevisionItem[]; next: number | null }

export function fetchRevisions(before: number | null = null): Promise<RevisionPage> {
	return get(`/revisions${before === null ? "" : `?before=${before}`}`);
}

export function fetchRevision(number: number): Promise<Revision> {
	return get(`/revisions/${number}`);
}

export function compareRevisions(from: number, to: number | null): Promise<{ to: number; changes: Change[] }> {
	return get(`/revisions/${from}/diff${to === null ? "" : `?to=${to}`}`);
}

// Only if the configuration is still the one that was looked at.
export async function restoreRevision(number: number, present: number): Promise<void> {
	const { body, etag } = await request<{ revision: number; changes: Change[] }>(
		"POST", onTrial(`/revisions/${number}/restore`), { ifMatch: `"${present}"` });
	made(etag);
	notify("good", body.changes.length
		? t("notice.revision", { n: formatNumber(number), new: formatNumber(body.revision) })
		: t("history.same"));
}

export async function fetchTokens(): Promise<Token[]> {
	return (await get<{ items: Token[] }>("/tokens")).items;
}

export async function makeToken(name: string, role: Token["role"]): Promise<Token & { token: string }> {
	return (await request<Token & { token: string }>("POST", "/tokens", { body: { name, role } })).body;
}

export async function removeToken({ id, name }: Token): Promise<void> {
	await request("DELETE", `/tokens/${id}`);
	notify("good", t("notice.deleted", { name }));
}
