// SPDX-License-Identifier: GPL-2.0-or-later
// In the settings: the tokens of programs that use the API.

import { useEffect, useState } from "preact/hooks";
import type { FieldSpec, Values } from "../components/Field";
import { Form } from "../components/Form";
import { Icon } from "../components/Icons";
import { Share } from "../components/Share";
import { fetchTokens, makeToken, removeToken } from "../history";
import { report } from "../store";
import { formatAge, t } from "../texts";
import type { Token } from "../types";

const empty: Values = { name: "", role: "viewer" };

const fields: FieldSpec[] = [
	{ name: "name", label: t("field.name"), help: t("tokens.name.help"), type: "text" },
	{
		name: "role", label: t("tokens.role"), help: t("tokens.role.help"), type: "segments",
		choices: [{ value: "viewer", label: t("tokens.role.viewer") }, { value: "admin", label: t("tokens.role.admin") }],
	},
];

export function Tokens({ now }: { now: number }) {
	const [tokens, setTokens] = useState<Token[] | null>(null);
	const [values, setValues] = useState(empty);
	const [fresh, setFresh] = useState<{ name: string; token: string } | null>(null);

	const load = () => fetchTokens().then(setTokens, report);
	useEffect(() => void load(), []);

	const make = async () => {
		setFresh(await makeToken((values.name as string).trim(), values.role as Token["role"]));
		setValues(empty);
		await load();
	};
	const remove = async (token: Token) => {
		try {
			await removeToken(token);
		} catch (error) {
			report(error);
		}
		await load();
	};

	return (
		<section class="tokens" aria-labelledby="tokens-title">
			<h2 id="tokens-title">{t("tokens.title")}</h2>
			<p>{t("tokens.intro")}</p>
			{tokens && tokens.length > 0 && (
				<table class="table">
					<caption class="aside">{t("tokens.title")}</caption>
					<thead>
						<tr>
							<th scope="col">{t("column.name")}</th>
							<th scope="col">{t("tokens.role")}</th>
							<th scope="col">{t("tokens.used")}</th>
							<th scope="col" class="cell-actions"><span class="aside">{t("column.actions")}</span></th>
						</tr>
					</thead>
					<tbody>
						{tokens.map((token) => (
							<tr key={token.id} data-name={token.name}>
								<td class="cell-name" data-label={t("column.name")}><span class="name">{token.name}</span></td>
								<td data-label={t("tokens.role")}>{t(`tokens.role.${token.role}`)}</td>
								<td data-label={t("tokens.used")}>{token.used_at ? formatAge(token.used_at, now) : t("tokens.unused")}</td>
								<td class="cell-actions">
									<button type="button" class="icon-button" aria-label={t("action.delete.named", { name: token.name })}
										onClick={() => void remove(token)}><Icon name="trash" /></button>
								</td>
							</tr>
						))}
					</tbody>
				</table>
			)}
			{fresh && (
				<div class="token-fresh" role="status">
					<p>{t("tokens.fresh", { name: fresh.name })}</p>
					<Share text={fresh.token} />
				</div>
			)}
			<div class="panel">
				<Form fields={fields} values={values} onChange={setValues} onSubmit={make} submitLabel={t("tokens.make")} />
			</div>
		</section>
	);
}
