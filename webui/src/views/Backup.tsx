// SPDX-License-Identifier: GPL-2.0-or-later
// The whole configuration: keep a copy of it, bring one back, bring rules of others, take ours elsewhere.

import { useState } from "preact/hooks";
import { Problem } from "../api";
import { exportRules, makeBackup, save } from "../backup";
import type { FieldSpec, Values } from "../components/Field";
import { Form } from "../components/Form";
import { notify, report, type State } from "../store";
import { t, type Key } from "../texts";
import { Import } from "./Import";
import { Restore } from "./Restore";

export function Backup({ state }: { state: State }) {
	const features = state.status?.features ?? [];
	return (
		<>
			<header class="view-head">
				<div>
					<h1 tabIndex={-1}>{t("nav.backup")}</h1>
					<p>{t("backup.intro")}</p>
				</div>
			</header>
			<div class="tasks">
				<Keep state={state} />
				<Restore state={state} />
				{features.includes("export") && <Export />}
				{features.includes("import") && <Import />}
			</div>
		</>
	);
}

// --- keeping a copy ---

const empty: Values = { passphrase: "", repeat: "", secrets: false };
const isSealed = (values: Values) => values.passphrase !== "";

const fields: FieldSpec[] = [
	{
		name: "passphrase", label: t("backup.passphrase"), help: t("backup.passphrase.help"), type: "secret",
		autocomplete: "new-password", optional: true,
	},
	{ name: "repeat", label: t("backup.repeat"), type: "secret", autocomplete: "new-password", show: isSealed },
	{ name: "secrets", label: t("backup.secrets"), help: t("backup.secrets.help"), type: "check", show: isSealed },
];

function Keep({ state }: { state: State }) {
	const [values, setValues] = useState(empty);
	const keep = async () => {
		if (isSealed(values) && values.repeat !== values.passphrase)
			throw new Problem(0, "", [{ path: "/repeat", message: t("backup.differs") }]);
		const document = await makeBackup(values.passphrase as string, values.secrets as boolean);
		const name = `portico-${state.status?.hostname ?? ""}-${String(document.at).slice(0, 10)}.json`;
		save(name, "application/json", `${JSON.stringify(document, null, "\t")}\n`);
		setValues(empty);
		notify("good", t("backup.kept", { name }));
	};
	return (
		<section class="panel panel-tall" aria-labelledby="keep-title">
			<div class="panel-head">
				<h2 id="keep-title">{t("backup.keep")}</h2>
				<p>{t("backup.keep.text")}</p>
			</div>
			<Form fields={fields} values={values} onChange={setValues} onSubmit={keep}
				submitLabel={t("backup.download")} busyLabel={t("backup.making")} />
		</section>
	);
}

// --- taking the rules elsewhere ---

const files = { nft: "portico.nft", iptables: "portico-iptables.sh", uci: "portico-openwrt.txt" };

function Export() {
	const take = async (format: keyof typeof files) => {
		try {
			save(files[format], "text/plain", await exportRules(format));
			notify("good", t("backup.kept", { name: files[format] }));
		} catch (error) {
			report(error);
		}
	};
	return (
		<section class="panel" aria-labelledby="export-title">
			<div class="panel-head">
				<h2 id="export-title">{t("export.title")}</h2>
				<p>{t("export.text")}</p>
			</div>
			<div class="form-body export">
				{(Object.keys(files) as (keyof typeof files)[]).map((format) => (
					<button key={format} type="button" class="button" onClick={() => void take(format)}>
						{t(`export.${format}` as Key)}
					</button>
				))}
			</div>
		</section>
	);
}
