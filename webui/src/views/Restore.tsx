// SPDX-License-Identifier: GPL-2.0-or-later
// A copy that was kept comes back: what it would change is shown first.

import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../api";
import { planRestore, restoreBackup, type Document, type Plan, type RestoreChoice } from "../backup";
import type { Values } from "../components/Field";
import { Form } from "../components/Form";
import { PlanView } from "../components/PlanView";
import { Sheet } from "../components/Sheet";
import { TrialSwitch } from "../components/Trial";
import { byLikelihood, facts } from "../links";
import { loadLinks, notify, report, wordsOf, type State } from "../store";
import { formatNumber, formatTime, t } from "../texts";
import type { Link, RestoreAnswer } from "../types";

const sizeMax = 16 << 20; // bytes, as the router takes them

export function Restore({ state }: { state: State }) {
	const [document, setDocument] = useState<Document | null>(null);
	const [trouble, setTrouble] = useState<string | null>(null);

	const choose = async (input: HTMLInputElement) => {
		const file = input.files?.[0];
		setTrouble(null);
		if (!file)
			return;
		try {
			setDocument(parse(file.size <= sizeMax ? await file.text() : ""));
		} catch {
			setTrouble(t("restore.not-one", { name: file.name }));
		}
		input.value = ""; // the same file may be chosen again
	};

	return (
		<section class="panel" aria-labelledby="restore-title">
			<div class="panel-head">
				<h2 id="restore-title">{t("restore.title")}</h2>
				<p>{t("restore.text")}</p>
			</div>
			<div class="form-body">
				{trouble && <p class="form-trouble" role="alert">{trouble}</p>}
				<label class="button file">
					{t("restore.choose")}
					<input type="file" accept=".json,application/json" onChange={(e) => void choose(e.currentTarget)} />
				</label>
			</div>
			{document && <RestoreSheet document={document} state={state} onClose={() => setDocument(null)} />}
		</section>
	);
}

// What is no backup at all; everything else is judged by the router.
function parse(text: string): Document {
	const document: unknown = JSON.parse(text);
	if (typeof document !== "object" || document === null || Array.isArray(document))
		throw new SyntaxError();
	return document as Document;
}

function RestoreSheet({ document, state, onClose }: { document: Document; state: State; onClose: () => void }) {
	const sealed = document.encryption !== undefined;
	const [passphrase, setPassphrase] = useState<Values>({ passphrase: "" });
	const [devices, setDevices] = useState<Record<string, string>>({});
	const [secrets, setSecrets] = useState(true);
	const [missing, setMissing] = useState<string[]>([]); // as the backup has them: those that are mapped, too
	const [plan, setPlan] = useState<(Plan<RestoreAnswer> & { devices: typeof devices }) | null>(null);
	const [trouble, setTrouble] = useState<string | null>(null);
	const [busy, setBusy] = useState(false);
	const message = useRef<HTMLParagraphElement>(null);
	useEffect(() => message.current?.focus(), [trouble]);

	const choice = (mapped = devices): RestoreChoice => ({
		document, devices: mapped, ...(sealed ? { passphrase: passphrase.passphrase as string } : {}),
	});
	const look = async (mapped = devices) => {
		const next = await planRestore(choice(mapped));
		setPlan({ ...next, devices: mapped });
		setMissing([...new Set([...Object.keys(mapped), ...next.answer.missing_devices])].sort());
	};
	const run = async (action: () => Promise<void>) => {
		setBusy(true);
		setTrouble(null);
		try {
			await action();
		} catch (error) {
			setTrouble(wordsOf(error));
		}
		setBusy(false);
	};
	useEffect(() => {
		loadLinks().catch(report);
		if (!sealed)
			void run(look);
	}, []);

	const map = (device: string, here: string) => {
		const { [device]: _, ...others } = devices;
		const next = here ? { ...others, [device]: here } : others;
		setDevices(next);
		void run(() => look(next));
	};
	const restore = () => run(async () => {
		try {
			const { backup } = await restoreBackup({ ...choice(), secrets }, plan!.etag);
			notify("good", t("restore.done", { host: backup.hostname, when: formatTime(backup.at) }));
			onClose();
		} catch (error) {
			if (!(error instanceof Problem) || error.status !== 412)
				throw error;
			await look();
			setTrouble(t("restore.stale"));
		}
	});

	const answer = plan?.answer;
	const ready = !busy && plan?.devices === devices; // what is shown is what it would do
	const complaint = trouble && <p ref={message} tabIndex={-1} class="form-trouble" role="alert">{trouble}</p>;
	return (
		<Sheet title={t("restore.sheet")} onClose={onClose}>
			{sealed && !answer ? (
				<Form fields={[{ name: "passphrase", label: t("backup.passphrase"), type: "secret", autocomplete: "current-password" }]}
					before={<p>{t("restore.sealed")}</p>} values={passphrase} onChange={setPassphrase} onSubmit={() => look()}
					submitLabel={t("restore.open")} busyLabel={t("restore.opening")} takeFocus />
			) : !answer ? (
				<div class="form-body">{complaint || <p role="status">{t("state.loading")}</p>}</div>
			) : (
				<div class="form">
					<div class="form-body">
						<p>{t("restore.from", {
							host: answer.backup.hostname, when: formatTime(answer.backup.at),
							n: formatNumber(answer.backup.revision), by: answer.backup.made_by,
						})}</p>
						{missing.length > 0 && <Devices missing={missing} devices={devices} links={state.links ?? []} onChange={map} />}
						{answer.secrets.includes("password") && (
							<div class="field field-check">
								<label class="check">
									<input type="checkbox" checked={secrets} onChange={(e) => setSecrets(e.currentTarget.checked)} />
									<span>{t("restore.password")}</span>
								</label>
								<p class="help">{t("restore.password.help")}</p>
							</div>
						)}
						<PlanView answer={answer} />
					</div>
					<div class="form-actions">
						{complaint}
						{(answer.changes.length > 0 || answer.secrets.length > 0) && (
							<button type="button" class="button button-primary" aria-disabled={!ready}
								onClick={() => ready && void restore()}>{t(busy ? "restore.busy" : "history.restore")}</button>
						)}
						<TrialSwitch />
					</div>
				</div>
			)}
		</Sheet>
	);
}

interface DevicesProps {
	missing: string[];
	devices: Record<string, string>;
	links: Link[];
	onChange: (device: string, here: string) => void;
}

function Devices({ missing, devices, links, onChange }: DevicesProps) {
	return (
		<fieldset class="field mapping">
			<legend>{t("restore.missing")}</legend>
			<p class="help">{t("restore.missing.help")}</p>
			{missing.map((device) => (
				<div key={device} class="field">
					<label for={`map-${device}`} class="mono">{device}</label>
					<select id={`map-${device}`} value={devices[device] ?? ""} onChange={(e) => onChange(device, e.currentTarget.value)}>
						<option value="">{t("restore.wait")}</option>
						{byLikelihood(links).map((link) => (
							<option key={link.name} value={link.name}>{`${link.name}: ${facts(link)}`}</option>
						))}
					</select>
				</div>
			))}
		</fieldset>
	);
}
