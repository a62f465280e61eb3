// SPDX-License-Identifier: GPL-2.0-or-later
// Fields, the daemon's complaints at them, and a button. Knows nothing of what it edits.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../api";
import { wordsOf } from "../store";
import { t, tn } from "../texts";
import { Field, type FieldSpec, type Value, type Values } from "./Field";
import { TrialSwitch } from "./Trial";

interface Props {
	fields: FieldSpec[];
	values: Values;
	onChange: (values: Values) => void;
	onSubmit: () => Promise<void>; // rejects with what is to be shown
	submitLabel: string;
	busyLabel?: string;         // "Saving…" if not said
	onCancel?: () => void;
	before?: ComponentChildren; // above the fields
	takeFocus?: boolean;        // to the first entry, when the form appears
	trial?: boolean;            // what is submitted changes the configuration, and may be on trial
}

interface Complaints {
	fields: Record<string, string>;
	general: string[];
}

const none: Complaints = { fields: {}, general: [] };

export function Form({ fields, values, onChange, onSubmit, submitLabel, busyLabel, onCancel, before, takeFocus, trial }: Props) {
	const form = useRef<HTMLFormElement>(null);
	const [busy, setBusy] = useState(false);
	const [complaints, setComplaints] = useState(none);
	const [more, setMore] = useState(false);

	const visible = fields.filter((field) => field.show?.(values) ?? true);
	const folded = visible.filter((field) => field.more);
	const plain = visible.filter((field) => !field.more);

	// The focus is moved before anything is painted: later it would be taken from somebody who types already.
	useLayoutEffect(() => {
		if (takeFocus)
			form.current?.querySelector<HTMLElement>(".field input, .field select")?.focus();
	}, []);
	useLayoutEffect(() => {
		if (complaints === none)
			return;
		const first = form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')
			?? form.current?.querySelector<HTMLElement>(".form-trouble");
		first?.focus();
	}, [complaints]);

	const submit = async (event: Event) => {
		event.preventDefault();
		if (busy)
			return;
		setBusy(true);
		setComplaints(none);
		try {
			await onSubmit();
		} catch (error) {
			const sorted = sort(error, visible);
			if (folded.some((field) => sorted.fields[field.name]))
				setMore(true);
			setComplaints(sorted);
		} finally {
			setBusy(false);
		}
	};

	const edit = (name: string, value: Value) => {
		onChange({ ...values, [name]: value });
		if (complaints.fields[name]) {
			const { [name]: _, ...rest } = complaints.fields;
			complaints.fields = rest; // stays the same set of complaints: the focus is not moved again
		}
	};

	const show = (field: FieldSpec) => (
		<Field key={field.name} spec={{ ...field, ...field.adapt?.(values) }} value={values[field.name]!} error={complaints.fields[field.name]}
			onChange={(value) => edit(field.name, value)} />
	);
	const sections = [...new Set(folded.map((field) => field.section))];
	const count = Object.keys(complaints.fields).length;

	return (
		<form ref={form} class="form" noValidate onSubmit={submit}>
			<div class="form-body">
				{(complaints.general.length > 0 || count > 0) && (
					<div class="form-trouble" role="alert" tabIndex={-1}>
						{complaints.general.length
							? complaints.general.map((text) => <p key={text}>{text}</p>)
							: <p>{tn("problem.fields", count)}</p>}
					</div>
				)}
				{before}
				{plain.map(show)}
				{folded.length > 0 && (
					<details class="more" open={more} onToggle={(e) => setMore(e.currentTarget.open)}>
						<summary>{t("action.more")}</summary>
						<div class="more-body">
							{sections.map((section) => (
								<section key={section ?? ""} class="form-section">
									{section && <h3>{section}</h3>}
									{folded.filter((field) => field.section === section).map(show)}
								</section>
							))}
						</div>
					</details>
				)}
			</div>
			<div class="form-actions">
				<button type="submit" class="button button-primary" aria-disabled={busy}>
					{busy ? busyLabel ?? t("action.saving") : submitLabel}
				</button>
				{onCancel && <button type="button" class="button" onClick={onCancel}>{t("action.cancel")}</button>}
				{trial && <TrialSwitch />}
			</div>
		</form>
	);
}

// Which complaint belongs to which entry: by the first steps of its path ("/sources/1" is about
// "sources", "/health/window" about "health/window"). What belongs to none that is shown is said above the form.
function sort(error: unknown, fields: FieldSpec[]): Complaints {
	if (!(error instanceof Problem) || error.errors.length === 0)
		return { fields: {}, general: [wordsOf(error)] };
	const sorted: Complaints = { fields: {}, general: [] };
	for (const { path, message } of error.errors) {
		const steps = path.split("/").slice(1, 3);
		const member = steps[0] ?? "";
		const field = fields.find((f) => f.covers?.includes(steps.join("/")))
			?? fields.find((f) => (f.covers ?? [f.name]).includes(member));
		if (!field)
			sorted.general.push(member ? `${member}: ${message}` : message);
		else
			sorted.fields[field.name] = [sorted.fields[field.name], message].filter(Boolean).join(" ");
	}
	return sorted;
}
