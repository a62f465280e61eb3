// SPDX-License-Identifier: GPL-2.0-or-later
// One entry of a form: label, control, help, and the daemon's complaint about it.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { DevicePicker } from "./DevicePicker";
import { Ordered } from "./Ordered";
import { Schedule } from "./Schedule";
import { t } from "../texts";
import type { Link } from "../types";

export type Value = string | boolean | string[];
export type Values = Record<string, Value>;

export interface Choice { value: string; label: string }

export interface FieldSpec {
	name: string;
	label: string;
	help?: string;
	type: "text" | "lines" | "number" | "secret" | "check" | "segments" | "checks" | "device" | "devices" | "time" | "select" | "schedule"
		| "order";
	choices?: Choice[];
	suggestions?: Choice[];
	links?: Link[];
	covers?: string[]; // members of the object that the entry stands for; its own name if absent
	more?: boolean;    // folded away at first
	section?: string;  // its heading among those
	// Takes the place of the help while there is something better to say of what is entered.
	advice?: (value: string, change: (value: string) => void) => ComponentChildren;
	placeholder?: string;
	mono?: boolean;
	optional?: boolean;
	narrow?: boolean;
	autocomplete?: string;
	inputmode?: "numeric" | "text";
	show?: (values: Values) => boolean;
	adapt?: (values: Values) => Partial<FieldSpec>; // what depends on other entries
}

// Those that consist of several controls.
const groups: FieldSpec["type"][] = ["segments", "checks", "device", "devices", "schedule", "order"];

interface Props {
	spec: FieldSpec;
	value: Value;
	error?: string;
	onChange: (value: Value) => void;
}

export function Field({ spec, value, error, onChange }: Props) {
	const id = useId();
	const helpId = `${id}-help`;
	const errorId = `${id}-error`;
	const described = [spec.help && helpId, error && errorId].filter(Boolean).join(" ") || undefined;
	const aria = { "aria-invalid": error ? true : undefined, "aria-describedby": described } as const;
	const advice = spec.advice?.(value as string, onChange);
	const help = (advice || spec.help) && <p class="help" id={helpId}>{advice || spec.help}</p>;
	const complaint = error && <p class="complaint" id={errorId}>{error}</p>;

	if (spec.type === "check")
		return (
			<div class="field field-check" data-field={spec.name}>
				<label class="check">
					<input id={id} type="checkbox" checked={value as boolean} {...aria}
						onChange={(e) => onChange(e.currentTarget.checked)} />
					<span>{spec.label}</span>
				</label>
				{help}{complaint}
			</div>
		);

	if (groups.includes(spec.type))
		return (
			<fieldset class="field" data-field={spec.name} aria-describedby={described}>
				<legend>{spec.label}<Optional spec={spec} /></legend>
				{spec.type === "segments" ? <Segments id={id} spec={spec} value={value as string} aria={aria} onChange={onChange} />
					: spec.type === "schedule" ? <Schedule value={value as string} aria={aria} onChange={onChange} />
					: spec.type === "order" ? <Ordered choices={spec.choices ?? []} value={value as string[]} aria={aria} onChange={onChange} />
					: spec.type === "checks" ? <Checks spec={spec} value={value as string[]} aria={aria} onChange={onChange} />
					: <DevicePicker id={id} links={spec.links ?? []} multiple={spec.type === "devices"}
						value={value as string[]} aria={aria} onChange={onChange} />}
				{help}{complaint}
			</fieldset>
		);

	return (
		<div class={`field ${spec.narrow ? "field-narrow" : ""}`} data-field={spec.name}>
			<label for={id}>{spec.label}<Optional spec={spec} /></label>
			{spec.type === "select"
				? <select id={id} value={value as string} {...aria} onChange={(e) => onChange(e.currentTarget.value)}>
					{spec.choices?.map((c) => <option key={c.value} value={c.value}>{c.label}</option>)}
				</select>
				: spec.type === "lines"
				? <textarea id={id} class="mono" value={value as string} {...aria} rows={8} autoCapitalize="none" spellcheck={false}
					placeholder={spec.placeholder} onInput={(e) => onChange(e.currentTarget.value)} />
				: <input id={id} class={spec.mono ? "mono" : undefined} value={value as string} {...aria}
					type={spec.type === "secret" ? "password" : spec.type === "time" ? "datetime-local" : "text"}
					inputMode={spec.type === "number" ? "numeric" : spec.inputmode}
					autoComplete={spec.autocomplete ?? "off"} autoCapitalize="none" spellcheck={false}
					list={spec.suggestions?.length ? `${id}-list` : undefined}
					onInput={(e) => onChange(e.currentTarget.value)} />}
			{spec.suggestions?.length ? (
				<datalist id={`${id}-list`}>
					{spec.suggestions.map((s) => <option key={s.value} value={s.value}>{s.label}</option>)}
				</datalist>
			) : null}
			{help}{complaint}
		</div>
	);
}

function Optional({ spec }: { spec: FieldSpec }) {
	return spec.optional ? <span class="optional"> {t("field.optional")}</span> : null;
}

export type Aria = { "aria-invalid": true | undefined; "aria-describedby": string | undefined };

interface GroupProps<T> {
	spec: FieldSpec;
	value: T;
	aria: Aria;
	onChange: (value: T) => void;
}

function Segments({ id, spec, value, aria, onChange }: GroupProps<string> & { id: string }): ComponentChildren {
	return (
		<div class="segments">
			{spec.choices?.map((c) => (
				<label key={c.value}>
					<input type="radio" name={id} value={c.value} checked={c.value === value} {...aria}
						onChange={() => onChange(c.value)} />
					<span>{c.label}</span>
				</label>
			))}
		</div>
	);
}

function Checks({ spec, value, aria, onChange }: GroupProps<string[]>): ComponentChildren {
	const toggle = (name: string, on: boolean) =>
		onChange(on ? [...value, name] : value.filter((other) => other !== name));
	return (
		<div class="checks">
			{spec.choices?.map((c) => (
				<label key={c.value} class="check">
					<input type="checkbox" checked={value.includes(c.value)} {...aria}
						onChange={(e) => toggle(c.value, e.currentTarget.checked)} />
					<span>{c.label}</span>
				</label>
			))}
		</div>
	);
}
