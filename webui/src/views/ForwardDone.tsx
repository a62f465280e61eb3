// SPDX-License-Identifier: GPL-2.0-or-later
// After a forward is added: the address to give away, or why it does not work yet.

import { useLayoutEffect, useRef } from "preact/hooks";
import { sentence } from "../api";
import { Share } from "../components/Share";
import { isPrivate } from "../entries";
import { go } from "../router";
import { t, tr } from "../texts";
import type { Forward } from "../types";
import { ForwardState, shareAddresses } from "./Forwards";

export function ForwardDone({ forward, onAgain }: { forward: Forward; onAgain: () => void }) {
	const head = useRef<HTMLHeadingElement>(null);
	useLayoutEffect(() => head.current?.focus(), []);
	const addresses = shareAddresses(forward);
	const hidden = forward.pinhole ? undefined : forward.state?.addresses.find(isPrivate);
	return (
		<div class="form">
			<div class="form-body done">
				<h3 ref={head} tabIndex={-1}>{t("forwards.done.title", { name: forward.name })}</h3>
				<p><ForwardState forward={forward} /></p>
				{addresses.length > 0 ? (
					<>
						<p>{t(addresses.length > 1 ? "forwards.done.share.many" : "forwards.done.share")}</p>
						{addresses.map((address) => <Share key={address} text={address} />)}
					</>
				) : (
					<p class="form-trouble">
						{t("forwards.done.not-live", {
							name: forward.name,
							reason: tr("reason.forward", forward.state?.reason ?? "uplink-down"),
						})}
					</p>
				)}
				{forward.warnings?.map(({ message }) => <p key={message} class="form-warning">{sentence(message)}</p>)}
				{hidden && <p class="help">{t("forwards.done.private", { address: hidden })}</p>}
			</div>
			<div class="form-actions">
				<button type="button" class="button button-primary" onClick={() => go("forwards")}>{t("action.done")}</button>
				<button type="button" class="button" onClick={onAgain}>{t("forwards.done.another")}</button>
			</div>
		</div>
	);
}
