// SPDX-License-Identifier: GPL-2.0-or-later
// Rules of others become objects: what becomes of each line is shown first.

import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, sentence } from "../api";
import { importRules, planImport, type ImportChoice, type Plan } from "../backup";
import { Badge } from "../components/Badge";
import type { FieldSpec, Values } from "../components/Field";
import { Form } from "../components/Form";
import { PlanView } from "../components/PlanView";
import { TrialSwitch } from "../components/Trial";
import { notify, wordsOf } from "../store";
import { formatNumber, t, tn } from "../texts";
import type { ImportAnswer, ImportLine } from "../types";

const formats = ["iptables-save", "iptables", "uci-firewall", "uci-mwan3"] as const;
const empty: Values = { text: "", format: "", network_text: "" };

// OpenWrt's files name interfaces; which devices those are stands in another one.
const isOpenWrt = ({ text, format }: Values) =>
	format === "" ? /^\s*config\s/m.test(text as string) : (format as string).startsWith("uci");

const fields: FieldSpec[] = [
	{ name: "text", label: t("import.rules"), help: t("import.rules.help"), type: "lines", placeholder: t("import.rules.example") },
	{
		name: "format", label: t("import.format"), type: "select",
		choices: [{ value: "", label: t("import.format.guess") }, ...formats.map((value) => ({ value, label: t(`import.format.${value}`) }))],
	},
	{ name: "network_text", label: t("import.network"), help: t("import.network.help"), type: "lines", optional: true, show: isOpenWrt },
];

function toChoice(values: Values): ImportChoice {
	const { text, format, network_text } = values as Record<string, string>;
	return { text: text!, ...(format ? { format } : {}), ...(network_text && isOpenWrt(values) ? { network_text } : {}) };
}

export function Import() {
	const title = useRef<HTMLHeadingElement>(null);
	const [values, setValues] = useState(empty);
	const [plan, setPlan] = useState<Plan<ImportAnswer> | null>(null);

	const edit = (next: Values) => {
		setValues(next);
		setPlan(null);
	};
	const look = async () => setPlan(await planImport(toChoice(values)));
	const apply = async () => {
		try {
			const { changes } = await importRules(toChoice(values), plan!.etag);
			notify("good", tn("import.done", changes.length));
			edit(empty);
			title.current?.focus(); // the button that had it is gone
		} catch (error) {
			if (!(error instanceof Problem) || error.status !== 412)
				throw error;
			await look();
			throw new Problem(412, t("restore.stale"));
		}
	};

	return (
		<section class="panel panel-wide" aria-labelledby="import-title">
			<div class="panel-head">
				<h2 id="import-title" ref={title} tabIndex={-1}>{t("import.title")}</h2>
				<p>{t("import.text")}</p>
			</div>
			<Form fields={fields} values={values} onChange={edit} onSubmit={look}
				submitLabel={t("import.look")} busyLabel={t("import.looking")} />
			{plan && <Result plan={plan.answer} onApply={apply} />}
		</section>
	);
}

function Result({ plan, onApply }: { plan: ImportAnswer; onApply: () => Promise<void> }) {
	const [all, setAll] = useState(true);
	const [busy, setBusy] = useState(false);
	const [trouble, setTrouble] = useState<string | null>(null);
	const sum = useRef<HTMLParagraphElement>(null);
	useEffect(() => sum.current?.scrollIntoView(), [plan]);
	const changes = plan.changes.length;
	const changed = plan.changes.filter(({ what }) => what === "changed").length;
	const lost = plan.lines.filter((line) => !line.understood);
	const apply = async () => {
		setBusy(true);
		setTrouble(null);
		try {
			await onApply();
		} catch (error) {
			setTrouble(wordsOf(error));
			setBusy(false);
		}
	};
	return (
		<div class="import-result">
			<p ref={sum} class="import-sum" role="status">
				{plan.lines.length === 0 ? t("import.empty") : t("import.sum", { format: t(`import.format.${plan.format}` as "import.format.iptables"), objects: tn("import.objects", plan.objects.length) })}
				{" "}{changed > 0 && `${tn("import.changed", changed)} `}{lost.length ? tn("import.lost", lost.length) : plan.lines.length > 0 && t("import.nothing-lost")}
			</p>
			{lost.length > 0 && lost.length < plan.lines.length && (
				<label class="check">
					<input type="checkbox" checked={!all} onChange={(e) => setAll(!e.currentTarget.checked)} />
					<span>{t("import.only-lost")}</span>
				</label>
			)}
			<Lines lines={all ? plan.lines : lost} />
			{changes > 0 && <PlanView answer={plan} />}
			{trouble && <p class="form-trouble" role="alert">{trouble}</p>}
			{changes > 0 && (
				<div class="import-actions">
					<button type="button" class="button button-primary" aria-disabled={busy} onClick={() => !busy && void apply()}>
						{busy ? t("import.busy") : tn("import.apply", changes)}
					</button>
					<TrialSwitch />
				</div>
			)}
		</div>
	);
}

const linesMax = 500; // shown

function Lines({ lines }: { lines: ImportLine[] }) {
	if (lines.length === 0)
		return null;
	return (
		<>
			<table class="table import-lines">
				<caption class="aside">{t("import.lines")}</caption>
				<thead>
					<tr>
						<th scope="col" class="cell-number">{t("import.column.line")}</th>
						<th scope="col">{t("import.column.text")}</th>
						<th scope="col">{t("import.column.became")}</th>
					</tr>
				</thead>
				<tbody>
					{lines.slice(0, linesMax).map((line, i) => (
						<tr key={i} data-line={line.line}>
							<td class="cell-number">{formatNumber(line.line)}</td>
							<td><code class="mono">{line.text}</code></td>
							<td><Became line={line} /></td>
						</tr>
					))}
				</tbody>
			</table>
			{lines.length > linesMax && <p>{tn("changes.more", lines.length - linesMax)}</p>}
		</>
	);
}

function Became({ line: { understood, became, what, message } }: { line: ImportLine }) {
	const words = !became ? t(understood ? "import.nothing" : "import.left-out")
		: what === "changed" ? t("import.changes", { what: became })
		: became.charAt(0).toUpperCase() + became.slice(1);
	return (
		<>
			<Badge tone={understood ? (became ? "good" : "off") : "warn"}>{words}</Badge>
			{message && <span class="under">{sentence(message)}</span>}
		</>
	);
}
