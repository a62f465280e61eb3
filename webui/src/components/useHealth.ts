// SPDX-License-Identifier: GPL-2.0-or-later
// What was measured of an uplink, read again as long as somebody looks.

import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import type { UplinkHealth } from "../types";

const everyMs = 2000;

// null until there is an answer. A failed reading is tried again: the strip tells that the router does not answer.
export function useHealth(id: number, wanted: boolean): UplinkHealth | null {
	const [health, setHealth] = useState<UplinkHealth | null>(null);
	useEffect(() => {
		if (!wanted)
			return;
		let timer: ReturnType<typeof setTimeout> | undefined;
		let over = false;
		const read = async () => {
			if (document.visibilityState === "visible")
				try {
					const answer = await get<UplinkHealth>(`/uplinks/${id}/health`);
					if (!over)
						setHealth(answer);
				} catch {
					// the next one
				}
			if (!over)
				timer = setTimeout(() => void read(), everyMs);
		};
		void read();
		return () => {
			over = true;
			clearTimeout(timer);
		};
	}, [id, wanted]);
	return health;
}
