// SPDX-License-Identifier: GPL-2.0-or-later
// Adds or changes one object of any kind in a sheet, and settles it when two people change the same one.

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Problem } from "../api";
import { change, create, fetchObject, told, wordsOf, type State } from "../store";
import { t } from "../texts";
import type { Kind, Kinds } from "../types";
import { Conflict } from "./Conflict";
import type { FieldSpec, Values } from "./Field";
import { Form } from "./Form";
import { Sheet } from "./Sheet";

export interface Preset { label: string; values: Values }

// How objects of one kind are edited.
export interface Editing<K extends Kind> {
	kind: K;
	titleNew: string;
	title: (object: Kinds[K]) => string;
	fields: (state: State) => FieldSpec[];
	start: (state: State) => Values;                // entries of a new object
	toValues: (object: Kinds[K]) => Values;
	toBody: (values: Values) => Record<string, unknown>;
	presets?: Preset[];
	presetsLabel?: string;
	// What to show once it is saved; without it the sheet closes.
	done?: (object: Kinds[K], again: () => void) => ComponentChildren;
}

interface Props<K extends Kind> {
	editing: Editing<K>;
	id: number | "new";
	state: State;
	onClose: () => void;
}

export function Editor<K extends Kind>({ editing, id, state, onClose }: Props<K>) {
	const { kind } = editing;
	const fields = useMemo(
		() => editing.fields(state),
		[editing, state.collections.uplinks, state.collections.networks, state.links, state.collections.forwards === null],
	);
	const [object, setObject] = useState<Kinds[K] | null>(null);
	const [etag, setEtag] = useState<string | null>(null);
	const [first, setFirst] = useState<Values | null>(null); // the entries as they were when we began
	const [values, setValues] = useState<Values | null>(null);
	const [newest, setNewest] = useState<{ values: Values; etag: string | null } | null>(null);
	const [saved, setSaved] = useState<Kinds[K] | null>(null);
	const [trouble, setTrouble] = useState<string | null>(null);

	const begin = async () => {
		setSaved(null);
		setNewest(null);
		if (id === "new") {
			setValues(editing.start(state));
			return;
		}
		try {
			const fetched = await fetchObject(kind, id);
			const entries = editing.toValues(fetched.object);
			setObject(fetched.object);
			setEtag(fetched.etag);
			setFirst(entries);
			setValues(entries);
		} catch (error) {
			setTrouble(wordsOf(error));
		}
	};
	useEffect(() => void begin(), [id]);

	const finish = (result: Kinds[K]) => {
		if (editing.done && id === "new") {
			setSaved(result);
			return;
		}
		told(result, t("notice.saved", { name: result.name }));
		onClose();
	};

	const save = async (expected: string | null) => {
		const body = editing.toBody(values!);
		if (id === "new") {
			finish(await create(kind, body));
			return;
		}
		try {
			finish(await change(kind, id, body, expected));
		} catch (error) {
			if (!(error instanceof Problem) || error.status !== 412)
				throw error;
			await settle();
		}
	};

	// The revision is that of the whole configuration: if only something else was changed, ours can go ahead.
	const settle = async () => {
		const fetched = await fetchObject(kind, id as number);
		const theirs = editing.toValues(fetched.object);
		if (same(theirs, first!)) {
			setEtag(fetched.etag);
			finish(await change(kind, id as number, editing.toBody(values!), fetched.etag));
		} else {
			setNewest({ values: theirs, etag: fetched.etag });
			setValues(merge(theirs, first!, values!));
		}
	};

	const take = (entries: Values) => {
		setFirst(newest!.values);
		setEtag(newest!.etag);
		setValues(entries);
		setNewest(null);
	};

	const title = id === "new" ? editing.titleNew : object ? editing.title(object) : t("state.loading");
	const live = saved && (state.collections[kind] as Kinds[K][] | null)?.find((item) => item.id === saved.id);

	return (
		<Sheet title={title} onClose={onClose}>
			{trouble ? <p class="form-trouble" role="alert">{trouble}</p>
				: saved ? editing.done!({ ...(live || saved), warnings: saved.warnings }, () => void begin())
				: newest ? (
					<Conflict fields={fields} theirs={newest.values} yours={values!}
						onTake={() => take(newest.values)}
						onKeep={async () => { await save(newest.etag); }} />
				)
				: values && (
					<Form fields={fields} values={values} onChange={setValues} onSubmit={() => save(etag)}
						submitLabel={t("action.save")} onCancel={onClose} takeFocus trial
						before={id === "new" && editing.presets && (
							<div class="presets" role="group" aria-label={editing.presetsLabel}>
								<span>{editing.presetsLabel}</span>
								{editing.presets.map((preset) => (
									<button key={preset.label} type="button" class="chip"
										onClick={() => setValues({ ...values, ...preset.values })}>{preset.label}</button>
								))}
							</div>
						)} />
				)}
		</Sheet>
	);
}

// Ours where we changed something, theirs elsewhere.
function merge(theirs: Values, before: Values, ours: Values): Values {
	return Object.fromEntries(Object.keys(ours).map((name) =>
		[name, String(ours[name]) === String(before[name]) ? theirs[name]! : ours[name]!]));
}

function same(a: Values, b: Values): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}
