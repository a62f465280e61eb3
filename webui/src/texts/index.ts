// SPDX-License-Identifier: GPL-2.0-or-later
// Looks texts up. A language is a module with the same keys as en.ts.

import { en } from "./en";

export type Key = keyof typeof en;
export type Catalogue = Record<Key, string>;
type Params = Record<string, string | number>;

// Keys of texts that exist once for one thing and once for other numbers of it.
export type CountKey = { [K in Key]: K extends `${infer Stem}.other` ? Stem : never }[Key];

const catalogue: Catalogue = en;
const locale = "en";
const plurals = new Intl.PluralRules(locale);

export function t(key: Key, params: Params = {}): string {
	return catalogue[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

// Picks the form for `n`; {n} in the text is the number.
export function tn(stem: CountKey, n: number, params: Params = {}): string {
	const exact = `${stem}.${plurals.select(n)}` as Key;
	return t(exact in catalogue ? exact : (`${stem}.other` as Key), { n: formatNumber(n), ...params });
}

// For words chosen by the daemon ("link-down"): unknown ones are shown as they are.
export function tr(prefix: "reason.forward" | "reason.uplink", word: string, params: Params = {}): string {
	const key = `${prefix}.${word}` as Key;
	return key in catalogue ? t(key, params) : word;
}

const numbers = new Intl.NumberFormat(locale);
const times = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const ages = new Intl.RelativeTimeFormat(locale, { style: "short" });
const collator = new Intl.Collator(locale, { numeric: true });

export const compareTexts = collator.compare;

export function formatNumber(n: number): string {
	return numbers.format(n);
}

export function formatTime(rfc3339: string): string {
	return times.format(new Date(rfc3339));
}

// "3 min ago"
export function formatAge(rfc3339: string, now: number): string {
	const seconds = Math.max(0, Math.round((now - Date.parse(rfc3339)) / 1000));
	return seconds < 10 ? t("age.now") : formatSpan(seconds, -1);
}

// "in 3 min"
export function formatUntil(rfc3339: string, now: number): string {
	return formatSpan(Math.max(1, Math.round((Date.parse(rfc3339) - now) / 1000)), 1);
}

function formatSpan(seconds: number, sign: 1 | -1): string {
	const [n, unit] = seconds < 90 ? [seconds, "second"]
		: seconds < 90 * 60 ? [Math.round(seconds / 60), "minute"]
		: seconds < 36 * 3600 ? [Math.round(seconds / 3600), "hour"]
		: [Math.round(seconds / 86400), "day"];
	return ages.format(sign * n, unit as Intl.RelativeTimeFormatUnit);
}
