// SPDX-License-Identifier: GPL-2.0-or-later
// The address's fragment says what is shown: #/forwards, #/forwards/new, #/forwards/3.

import { useEffect, useState } from "preact/hooks";
import type { Kind } from "./types";

export type View = Kind | "history" | "backup" | "settings";
export interface Route {
	view: View;
	open: number | "new" | null; // the object in the editor
}

export const views: View[] = ["forwards", "uplinks", "policies", "networks", "redirects", "source-nats", "history", "backup", "settings"];

export const isKind = (view: View): view is Kind => !["history", "backup", "settings"].includes(view);

export function href(view: View, open: Route["open"] = null): string {
	return open === null ? `#/${view}` : `#/${view}/${open}`;
}

export function go(view: View, open: Route["open"] = null): void {
	location.hash = href(view, open);
}

function parse(hash: string): Route {
	const [name, open] = hash.replace(/^#\/?/, "").split("/");
	const view = views.find((candidate) => candidate === name) ?? "forwards";
	return { view, open: open === "new" ? "new" : /^\d+$/.test(open ?? "") ? Number(open) : null };
}

export function useRoute(): Route {
	const [hash, setHash] = useState(location.hash);
	useEffect(() => {
		const changed = () => setHash(location.hash);
		addEventListener("hashchange", changed);
		return () => removeEventListener("hashchange", changed);
	}, []);
	return parse(hash);
}
