// SPDX-License-Identifier: GPL-2.0-or-later
// What would change: the objects, and folded away what the kernel would be told.

import { formatNumber, t, tn } from "../texts";
import type { Change } from "../types";
import { Differences } from "./Differences";

const stepsMax = 200; // shown; a whole configuration may be many more

export function PlanView({ answer: { changes, kernel } }: { answer: { changes: Change[]; kernel: string[] } }) {
	return (
		<>
			{changes.length === 0 ? <p>{t("history.same")}</p> : <Differences changes={changes} />}
			{kernel.length > 0 && (
				<details class="more">
					<summary>{t("plan.kernel", { n: formatNumber(kernel.length) })}</summary>
					<pre class="steps">{kernel.slice(0, stepsMax).join("\n")}</pre>
					{kernel.length > stepsMax && <p>{tn("changes.more", kernel.length - stepsMax)}</p>}
				</details>
			)}
		</>
	);
}
