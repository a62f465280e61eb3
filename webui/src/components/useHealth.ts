// SPDX-License-Identifier: GPL-2.0-or-later
// What was measured of an uplink: read again whenever something is told of it, which is once a second at most.

import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api";
import type { Uplink, UplinkHealth } from "../types";

const quietMs = 5000; // nothing is told while the numbers stay the same, but the probes go on

// null until there is an answer. A failed reading is not told: the strip says that the router does not answer.
export function useHealth({ id, state }: Uplink, wanted: boolean): UplinkHealth | null {
	const [health, setHealth] = useState<UplinkHealth | null>(null);
	const [quiet, setQuiet] = useState(0);
	const reading = useRef(false);
	useEffect(() => {
		if (!wanted)
			return;
		const read = async () => {
			reading.current = true;
			try {
				setHealth(await get<UplinkHealth>(`/uplinks/${id}/health`));
			} catch {
				// the next one
			}
			reading.current = false;
		};
		if (!reading.current && document.visibilityState === "visible")
			void read();
		const timer = setTimeout(() => setQuiet(quiet + 1), quietMs);
		return () => clearTimeout(timer);
	}, [id, wanted, state, quiet]);
	return wanted ? health : null;
}
