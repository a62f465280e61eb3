// SPDX-License-Identifier: GPL-2.0-or-later
// Chooses one or several of the router's devices, also ones that are not there at present.

import { useId } from "preact/hooks";
import { byLikelihood, facts } from "../links";
import { t } from "../texts";
import type { Link } from "../types";
import type { Aria } from "./Field";

interface Props {
	id: string;
	links: Link[];
	multiple: boolean;
	value: string[];
	aria: Aria;
	onChange: (value: string[]) => void;
}

export function DevicePicker({ id, links, multiple, value, aria, onChange }: Props) {
	const otherId = useId();
	const known = byLikelihood(links);
	const isKnown = (name: string) => known.some((link) => link.name === name);
	const others = value.filter((name) => !isKnown(name));

	const pick = (name: string, on: boolean) =>
		onChange(!multiple ? [name] : on ? [...value, name] : value.filter((other) => other !== name));
	const type = (text: string) => {
		const names = text.split(/[\s,]+/).filter(Boolean);
		onChange(multiple ? [...value.filter(isKnown), ...names] : names.slice(0, 1));
	};

	return (
		<div class="devices">
			{known.map((link) => (
				<label key={link.name} class="device">
					<input type={multiple ? "checkbox" : "radio"} name={id} checked={value.includes(link.name)} {...aria}
						onChange={(e) => pick(link.name, e.currentTarget.checked)} />
					<span class="device-body">
						<span class="mono strong">{link.name}</span>
						<span class="device-facts">{facts(link)}</span>
					</span>
				</label>
			))}
			<div class="device-other">
				<label for={otherId}>{t(multiple ? "device.others" : "device.other")}</label>
				<input id={otherId} class="mono" autoComplete="off" autoCapitalize="none" spellcheck={false}
					value={others.join(", ")} {...aria} onChange={(e) => type(e.currentTarget.value)} />
			</div>
		</div>
	);
}
