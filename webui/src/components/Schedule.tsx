// SPDX-License-Identifier: GPL-2.0-or-later
// The hours of the week: windows of days and from/to, as the daemon writes them: "mon-fri 08:00-22:00, sat 10:00-24:00".

import { useRef, useState } from "preact/hooks";
import { t } from "../texts";
import type { Aria } from "./Field";
import { Icon } from "./Icons";

interface Window { days: boolean[]; from: string; to: string }

const days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const daytime: Window = { days: days.map(() => true), from: "08:00", to: "22:00" };

interface Props {
	value: string;
	aria: Aria;
	onChange: (value: string) => void;
}

export function Schedule({ value, aria, onChange }: Props) {
	const [windows, setWindows] = useState(() => parse(value)); // what is half entered has no text yet
	const add = useRef<HTMLButtonElement>(null);
	const put = (next: Window[]) => {
		setWindows(next);
		onChange(next.map(print).join(", "));
	};
	const edit = (i: number, part: Partial<Window>) => put(windows.map((w, k) => (k === i ? { ...w, ...part } : w)));

	return (
		<div class="schedule">
			{windows.map((window, i) => (
				<div key={i} class="window" role="group" aria-label={t("schedule.window", { n: i + 1 })}>
					<div class="days">
						{days.map((day, d) => (
							<label key={day}>
								<input type="checkbox" aria-label={t(`day.${day}`)} checked={window.days[d]} {...aria}
									onChange={(e) => edit(i, { days: window.days.map((on, k) => (k === d ? e.currentTarget.checked : on)) })} />
								<span>{t(`day.${day}.short`)}</span>
							</label>
						))}
					</div>
					<div class="hours">
						<input type="time" aria-label={t("schedule.from")} value={window.from} {...aria}
							onInput={(e) => edit(i, { from: e.currentTarget.value })} />
						<span aria-hidden="true">–</span>
						<input type="time" aria-label={t("schedule.to")} value={window.to} {...aria}
							onInput={(e) => edit(i, { to: e.currentTarget.value })} />
						<button type="button" class="icon-button" aria-label={t("schedule.remove", { n: i + 1 })}
							onClick={() => { put(windows.filter((_, k) => k !== i)); add.current?.focus(); }}><Icon name="trash" /></button>
					</div>
				</div>
			))}
			<div class="schedule-foot">
				<button ref={add} type="button" class="button" onClick={() => put([...windows, daytime])}>
					<Icon name="plus" />{t(windows.length ? "schedule.another" : "schedule.add")}
				</button>
				<output class={windows.length ? "mono" : undefined}>{windows.length ? value : t("schedule.always")}</output>
			</div>
		</div>
	);
}

function parse(text: string): Window[] {
	return [...text.matchAll(/([a-z,-]+) (\d\d:\d\d)-(\d\d:\d\d)/g)].map(([, names, from, to]) => ({
		days: parseDays(names!),
		from: from!,
		to: to === "24:00" ? "00:00" : to!, // midnight, as entries of the browser know it
	}));
}

function parseDays(names: string): boolean[] {
	const ranges = names.split(",").map((part) => part.split("-").map((name) => days.findIndex((day) => day === name)));
	return days.map((_, d) => names === "daily" || ranges.some(([first, last = first]) => first! <= d && d <= last!));
}

// Three days in a row and more are a range.
function print({ days: chosen, from, to }: Window): string {
	const parts: string[] = [];
	for (let d = 0; d < days.length; d++) {
		if (!chosen[d])
			continue;
		const first = d;
		while (chosen[d + 1])
			d++;
		parts.push(d > first + 1 ? `${days[first]}-${days[d]}` : days.slice(first, d + 1).join(","));
	}
	return `${chosen.every(Boolean) ? "daily" : parts.join(",")} ${from}-${to}`;
}
