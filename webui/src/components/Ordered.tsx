// SPDX-License-Identifier: GPL-2.0-or-later
// Chooses some of the things that are there and puts them in order, with buttons; also ones that are not there any more.

import { useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../texts";
import type { Aria, Choice } from "./Field";
import { Icon } from "./Icons";

interface Props {
	choices: Choice[];
	value: string[];
	aria: Aria;
	onChange: (value: string[]) => void;
}

export function Ordered({ choices, value, aria, onChange }: Props) {
	const list = useRef<HTMLDivElement>(null);
	const wanted = useRef<string | null>(null); // the button that has the focus after the change
	useLayoutEffect(() => {
		if (wanted.current)
			list.current?.querySelector<HTMLElement>(`[data-button="${CSS.escape(wanted.current)}"]`)?.focus();
		wanted.current = null;
	});
	const put = (next: string[], focus: string) => {
		wanted.current = focus;
		onChange(next);
	};
	const move = (from: number, to: number, button: string) => {
		const next = value.slice();
		next.splice(to, 0, ...next.splice(from, 1));
		put(next, button);
	};
	const others = choices.filter((choice) => !value.includes(choice.value));
	const label = (name: string) => choices.find((choice) => choice.value === name)?.label;

	return (
		<div ref={list} class="ordered" tabIndex={-1} {...aria}>
			{value.length > 0 && (
				<ol>
					{value.map((name, i) => (
						<li key={name} data-name={name}>
							<span class="ordered-name">
								<span class="strong">{name}</span>
								<span class="under">{label(name) ?? t("ordered.unknown")}</span>
							</span>
							<button type="button" class="icon-button" data-button={`up ${name}`} aria-disabled={i === 0}
								aria-label={t("ordered.up", { name })} onClick={() => i > 0 && move(i, i - 1, `up ${name}`)}>
								<Icon name="up" />
							</button>
							<button type="button" class="icon-button" data-button={`down ${name}`} aria-disabled={i === value.length - 1}
								aria-label={t("ordered.down", { name })}
								onClick={() => i < value.length - 1 && move(i, i + 1, `down ${name}`)}>
								<Icon name="down" />
							</button>
							<button type="button" class="icon-button" aria-label={t("ordered.remove", { name })}
								onClick={() => put(value.filter((other) => other !== name), `add ${name}`)}>
								<Icon name="trash" />
							</button>
						</li>
					))}
				</ol>
			)}
			{others.length > 0 && (
				<div class="presets">
					{others.map(({ value: name }) => (
						<button key={name} type="button" class="chip" data-button={`add ${name}`} aria-label={t("ordered.add", { name })}
							onClick={() => put([...value, name], `up ${name}`)}>
							+ {name}
						</button>
					))}
				</div>
			)}
		</div>
	);
}
