// SPDX-License-Identifier: GPL-2.0-or-later

import { useEffect, useState } from "preact/hooks";
import { Problem } from "../api";
import type { FieldSpec, Values } from "../components/Field";
import { Form } from "../components/Form";
import { toNumber } from "../entries";
import { fetchSettings, report, saveSettings, type State } from "../store";
import { t } from "../texts";
import type { Settings as SettingsObject } from "../types";
import { Tokens } from "./Tokens";

export function Settings({ state }: { state: State }) {
	const [values, setValues] = useState<Values | null>(null);
	const [first, setFirst] = useState<Values | null>(null); // the entries as they were when we began
	const [etag, setEtag] = useState<string | null>(null);

	const begin = async () => {
		const { object, etag } = await fetchSettings();
		const entries = toValues(object);
		setFirst(entries);
		setValues(entries);
		setEtag(etag);
	};
	useEffect(() => void begin().catch(report), []);

	const save = async () => {
		try {
			await saveSettings(toBody(values!), etag);
		} catch (error) {
			if (!(error instanceof Problem) || error.status !== 412)
				throw error;
			// The revision is that of the whole configuration: only other settings are a conflict.
			const newest = await fetchSettings();
			if (JSON.stringify(toValues(newest.object)) !== JSON.stringify(first)) {
				await begin();
				throw new Problem(412, t("conflict.newest"));
			}
			await saveSettings(toBody(values!), newest.etag);
		}
		await begin();
	};

	return (
		<>
			<header class="view-head">
				<div>
					<h1 tabIndex={-1}>{t("nav.settings")}</h1>
					<p>{t("settings.intro")}</p>
				</div>
			</header>
			{values === null ? <p class="list-none">{t("state.loading")}</p> : (
				<div class="panel">
					<Form fields={fields(state)} values={values} onChange={setValues} onSubmit={save} submitLabel={t("action.save")} trial />
				</div>
			)}
			<Tokens now={state.now} />
		</>
	);
}

function fields(state: State): FieldSpec[] {
	const mode = state.status?.firewall.mode;
	return [
		{
			name: "firewall", label: t("settings.firewall"), type: "segments",
			help: [t("settings.firewall.help"), mode && t(`settings.firewall.now.${mode}`)].filter(Boolean).join(" "),
			choices: [
				{ value: "auto", label: t("settings.firewall.auto") },
				{ value: "own", label: t("settings.firewall.own") },
				{ value: "beside", label: t("settings.firewall.beside") },
			],
		},
		{
			name: "last_resort", label: t("settings.last-resort"), help: t("settings.last-resort.help"), type: "segments",
			choices: [
				{ value: "main", label: t("settings.last-resort.main") },
				{ value: "unreachable", label: t("settings.last-resort.unreachable") },
			],
		},
		{ name: "manage_sysctls", label: t("settings.sysctls"), help: t("settings.sysctls.help"), type: "check" },
		{ name: "admin_from_uplinks", label: t("settings.admin"), help: t("settings.admin.help"), type: "check" },
		{ name: "history_length", label: t("settings.history"), help: t("settings.history.help"), type: "number", mono: true, narrow: true },
	];
}

function toValues(settings: SettingsObject): Values {
	return {
		firewall: settings.firewall,
		last_resort: settings.last_resort,
		manage_sysctls: settings.manage_sysctls,
		admin_from_uplinks: settings.admin_from_uplinks,
		history_length: String(settings.history_length),
	};
}

function toBody(values: Values): Partial<SettingsObject> {
	return { ...values, history_length: toNumber(values.history_length as string) as number };
}
