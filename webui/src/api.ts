// SPDX-License-Identifier: GPL-2.0-or-later
// Requests to the daemon. Every failure is a Problem with words that can be shown.

import { t } from "./texts";
import type { Warning } from "./types";

export class Problem extends Error {
	constructor(
		readonly status: number, // 0: the daemon could not be reached
		title: string,
		readonly errors: Warning[] = [],
		readonly retryAfter: number | null = null,
	) {
		super(title);
	}
}

export interface Answer<T> {
	body: T;
	etag: string | null;
}

interface Options {
	body?: unknown;
	ifMatch?: string | null;
	timeoutMs?: number;
	plain?: boolean; // the answer is text, not JSON
}

const base = "/api/v1";
const timeoutMs = 20_000;

let csrf = "";
export function setCsrf(token: string): void {
	csrf = token;
}

export async function request<T>(method: string, path: string, options: Options = {}): Promise<Answer<T>> {
	const headers: Record<string, string> = { Accept: options.plain ? "text/plain, application/json" : "application/json" };
	if (options.body !== undefined)
		headers["Content-Type"] = method === "PATCH" ? "application/merge-patch+json" : "application/json";
	if (method !== "GET" && csrf)
		headers["X-CSRF-Token"] = csrf;
	if (options.ifMatch)
		headers["If-Match"] = options.ifMatch;

	const abort = new AbortController();
	const timer = setTimeout(() => abort.abort(), options.timeoutMs ?? timeoutMs);
	let response: Response;
	let text: string;
	try {
		response = await fetch(base + path, {
			method,
			headers,
			body: options.body === undefined ? undefined : JSON.stringify(options.body),
			credentials: "same-origin",
			cache: "no-store",
			signal: abort.signal,
		});
		text = await response.text();
	} catch {
		throw new Problem(0, t("problem.unreachable"));
	} finally {
		clearTimeout(timer);
	}

	const body = options.plain && response.ok ? text : parse(text);
	if (!response.ok)
		throw problemOf(response, body);
	return { body: body as T, etag: response.headers.get("ETag") };
}

export async function get<T>(path: string): Promise<T> {
	return (await request<T>("GET", path)).body;
}

function parse(text: string): unknown {
	if (!text)
		return null;
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

// RFC 9457: `title` says what kind of problem it is, `detail` what happened this time.
function problemOf(response: Response, body: unknown): Problem {
	const doc = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
	const words = [doc.detail, doc.title].find((text) => typeof text === "string" && text) as string | undefined;
	const errors = (Array.isArray(doc.errors) ? (doc.errors as Warning[]) : [])
		.map(({ path, message }) => ({ path, message: sentence(message) }));
	const retry = Number(response.headers.get("Retry-After") ?? NaN);
	return new Problem(
		response.status,
		words ? sentence(words) : t("problem.status", { status: response.status }),
		errors,
		Number.isFinite(retry) ? retry : null,
	);
}

// The daemon's words are made to stand in a log line: "must be a port".
export function sentence(words: string): string {
	return words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".");
}
