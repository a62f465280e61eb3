// SPDX-License-Identifier: GPL-2.0-or-later
// Two people changed the same object: shows where they differ, and lets this one choose.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { wordsOf } from "../store";
import { t } from "../texts";
import type { FieldSpec, Value, Values } from "./Field";

interface Props {
	fields: FieldSpec[];
	theirs: Values;
	yours: Values;
	onTake: () => void;
	onKeep: () => Promise<void>;
}

export function Conflict({ fields, theirs, yours, onTake, onKeep }: Props) {
	const head = useRef<HTMLHeadingElement>(null);
	const [trouble, setTrouble] = useState<string | null>(null);
	useLayoutEffect(() => head.current?.focus(), []);
	const differing = fields.filter((field) => String(theirs[field.name]) !== String(yours[field.name]));
	return (
		<div class="form">
			<div class="form-body">
				<h3 ref={head} tabIndex={-1}>{t("conflict.title")}</h3>
				<p>{t(differing.length ? "conflict.text" : "conflict.text.same")}</p>
				{trouble && <p class="form-trouble" role="alert">{trouble}</p>}
				{differing.length > 0 && (
					<table class="differences">
						<thead><tr><td /><th scope="col">{t("conflict.theirs")}</th><th scope="col">{t("conflict.yours")}</th></tr></thead>
						<tbody>
							{differing.map((field) => (
								<tr key={field.name}>
									<th scope="row">{field.label}</th>
									<td>{words(field, theirs[field.name])}</td>
									<td>{words(field, yours[field.name])}</td>
								</tr>
							))}
						</tbody>
					</table>
				)}
			</div>
			<div class="form-actions">
				<button type="button" class="button button-primary" onClick={onTake}>{t("conflict.take")}</button>
				{differing.length > 0 && (
					<button type="button" class="button" onClick={() => onKeep().catch((error) => setTrouble(wordsOf(error)))}>
						{t("conflict.keep")}
					</button>
				)}
			</div>
		</div>
	);
}

function words(field: FieldSpec, value: Value | undefined): string {
	if (typeof value === "boolean")
		return t(value ? "conflict.yes" : "conflict.no");
	const text = Array.isArray(value) ? value.join(", ") : String(value ?? "");
	return field.choices?.find((choice) => choice.value === text)?.label ?? (text || t("conflict.nothing"));
}
