// SPDX-License-Identifier: GPL-2.0-or-later
// Between what people type and what the API takes. No judgement here: the daemon checks.

export function toList(text: string): string[] {
	return text.split(/[\s,;]+/).filter(Boolean);
}

// Digits become a number; anything else goes as it is, for the daemon to complain about.
export function toNumber(text: string): number | string {
	return /^\s*\d+\s*$/.test(text) ? Number(text) : text;
}

// Of an <input type=datetime-local>, which is in the browser's time zone.
export function toTime(local: string): string | null {
	return local ? new Date(local).toISOString().replace(/\.\d+Z$/, "Z") : null;
}

export function fromTime(rfc3339: string | null): string {
	if (!rfc3339)
		return "";
	const date = new Date(rfc3339);
	return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

// RFC 1918, RFC 6598, RFC 4193: addresses that nobody on the internet can reach.
export function isPrivate(address: string): boolean {
	return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd])/i.test(address);
}

// What is left of a full IPv6 address whose first half is the provider's; null: it is none, or one that never changes.
export function hostSuffix(address: string): string | null {
	const groups = groupsOf(address);
	if (!groups || /^fe[89ab]/i.test(address))
		return null;
	const suffix = groupsOf(`0:0:0:0:${groups.slice(4).join(":")}`)!;
	return `${new URL(`http://[${suffix.join(":")}]`).hostname.slice(1, -1)}/-64`;
}

function groupsOf(address: string): string[] | null {
	let whole: string;
	try {
		whole = new URL(`http://[${address}]`).hostname.slice(1, -1);
	} catch {
		return null;
	}
	const [head, tail] = whole.split("::").map((half) => half.split(":").filter(Boolean)) as [string[], string[]?];
	return tail ? [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail] : head;
}

export function withPort(address: string, port: string): string {
	return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

export function freeName(wanted: string, fallback: string, taken: { name: string }[]): string {
	const free = (name: string) => !taken.some((other) => other.name === name);
	if (free(wanted))
		return wanted;
	for (let n = 1; ; n++) {
		const name = n === 1 ? fallback : `${fallback}-${n}`;
		if (free(name))
			return name;
	}
}
