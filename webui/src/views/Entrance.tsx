// SPDX-License-Identifier: GPL-2.0-or-later
// Before anything else: the first run, and the login.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "../api";
import type { FieldSpec, Values } from "../components/Field";
import { Form } from "../components/Form";
import { Mark } from "../components/Icons";
import { logIn, setUp } from "../store";
import { t } from "../texts";

interface FrameProps {
	title: string;
	text: string;
	children: ComponentChildren;
}

function Frame({ title, text, children }: FrameProps) {
	return (
		<main class="entrance">
			<div class="entrance-head">
				<Mark />
				<h1>{title}</h1>
				<p>{text}</p>
			</div>
			{children}
		</main>
	);
}

export function Login({ ended }: { ended: boolean }) {
	const [values, setValues] = useState<Values>({ username: "admin", password: "" });
	const fields: FieldSpec[] = [
		{ name: "username", label: t("login.user"), type: "text", autocomplete: "username" },
		{ name: "password", label: t("login.password"), type: "secret", autocomplete: "current-password" },
	];
	return (
		<Frame title={t("login.title")} text={t("login.text")}>
			{ended && <p class="entrance-note" role="status">{t("login.ended")}</p>}
			<Form fields={fields} values={values} onChange={setValues} submitLabel={t("login.submit")}
				onSubmit={() => logIn(values.username as string, values.password as string)} />
			<details class="where">
				<summary>{t("login.forgotten")}</summary>
				<p>{t("login.forgotten.help")}</p>
				<pre>portico password</pre>
			</details>
		</Frame>
	);
}

export function Setup() {
	const [values, setValues] = useState<Values>({ code: "", password: "", repeat: "" });
	const fields: FieldSpec[] = [
		{ name: "code", label: t("setup.code"), type: "text", mono: true, autocomplete: "one-time-code" },
		{ name: "password", label: t("setup.password"), type: "secret", autocomplete: "new-password" },
		{ name: "repeat", label: t("setup.repeat"), type: "secret", autocomplete: "new-password" },
	];
	const submit = async () => {
		if (values.password !== values.repeat)
			throw new Problem(0, t("setup.differs"), [{ path: "/repeat", message: t("setup.differs") }]);
		await setUp((values.code as string).trim(), values.password as string);
	};
	return (
		<Frame title={t("setup.title")} text={t("setup.text")}>
			<Form fields={fields} values={values} onChange={setValues} submitLabel={t("setup.submit")} onSubmit={submit}
				before={(
					<details class="where">
						<summary>{t("setup.code.where")}</summary>
						<p>{t("setup.code.help")}</p>
						<pre>portico setup-code</pre>
						<p>{t("setup.code.log")}</p>
						<pre>logread -e portico{"\n"}journalctl -u portico</pre>
					</details>
				)} />
		</Frame>
	);
}
