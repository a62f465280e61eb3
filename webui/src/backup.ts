// SPDX-License-Identifier: GPL-2.0-or-later
// The whole configuration out of the router and into it: backups, rules of others.

import { request } from "./api";
import { made, onTrial } from "./trial";
import type { ImportAnswer, RestoreAnswer } from "./types";

// A key is made of the passphrase on purpose slowly, and a small router is slow by itself.
const timeoutMs = 120_000;

export type Document = Record<string, unknown>;

// What would change, and the revision that this was found out at.
export interface Plan<T> { answer: T; etag: string | null }

export async function makeBackup(passphrase: string, secrets: boolean): Promise<Document> {
	const body = passphrase ? { passphrase, secrets } : {};
	return (await request<Document>("POST", "/backup", { body, timeoutMs })).body;
}

export interface RestoreChoice {
	document: Document;
	passphrase?: string;
	devices?: Record<string, string>; // those of the backup that have another name here
	secrets?: boolean;
}

export function planRestore(choice: RestoreChoice): Promise<Plan<RestoreAnswer>> {
	return plan("/restore", choice);
}

export function restoreBackup(choice: RestoreChoice, etag: string | null): Promise<RestoreAnswer> {
	return carryOut("/restore", choice, etag);
}

export interface ImportChoice {
	text: string;
	format?: string;
	network_text?: string;
}

export function planImport(choice: ImportChoice): Promise<Plan<ImportAnswer>> {
	return plan("/import", choice);
}

export function importRules(choice: ImportChoice, etag: string | null): Promise<ImportAnswer> {
	return carryOut("/import", choice, etag);
}

async function plan<T>(path: string, choice: object): Promise<Plan<T>> {
	const { body, etag } = await request<T>("POST", path, { body: { ...choice, dry_run: true }, timeoutMs });
	return { answer: body, etag };
}

// Only if the configuration is still the one of the plan that was looked at.
async function carryOut<T>(path: string, choice: object, ifMatch: string | null): Promise<T> {
	const { body, etag } = await request<T>("POST", onTrial(path), { body: { ...choice, dry_run: false }, ifMatch, timeoutMs });
	made(etag);
	return body;
}

export async function exportRules(format: string): Promise<string> {
	return (await request<string>("GET", `/config/export?format=${format}`, { plain: true })).body;
}

// Gives the browser a file to keep.
export function save(name: string, type: string, text: string): void {
	const link = document.createElement("a");
	link.href = URL.createObjectURL(new Blob([text], { type }));
	link.download = name;
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers ask first where to put it
}
