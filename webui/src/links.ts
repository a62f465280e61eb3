// SPDX-License-Identifier: GPL-2.0-or-later
// The router's devices, as they are offered for choice.

import { isPrivate } from "./entries";
import { t } from "./texts";
import type { Link } from "./types";

export function facts(link: Link): string {
	const addresses = globalAddresses(link);
	const words = [addresses.length ? addresses.join(", ") : t("detected.no-address")];
	if (link.default_route)
		words.push(link.gateway ? t("detected.default", { gateway: link.gateway }) : t("detected.default.direct"));
	if (!link.up)
		words.push(t("detected.down"));
	return words.join(" · ");
}

// Without those that every device gives itself (RFC 4291, 2.5.6).
export function globalAddresses(link: Link): string[] {
	return link.addresses.filter((address) => !/^fe[89ab]/i.test(address));
}

export function looksLikeLan(link: Link): boolean {
	return !link.default_route && link.addresses.some(isPrivate);
}

// Those that lead to the internet, those that look like a LAN, the rest.
export function byLikelihood(links: Link[]): Link[] {
	const rank = (link: Link) =>
		link.default_route ? 0 : looksLikeLan(link) ? 1 : globalAddresses(link).length > 0 ? 2 : 3;
	return links.filter((link) => link.name !== "lo").sort((a, b) => rank(a) - rank(b));
}
