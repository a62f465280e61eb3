// SPDX-License-Identifier: GPL-2.0-or-later

import { render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon, Mark } from "./components/Icons";
import { Notices } from "./components/Notices";
import { Strip } from "./components/Strip";
import { TrialBar } from "./components/Trial";
import { href, isKind, useRoute, views, type Route } from "./router";
import { getState, logOut, start, subscribe, watch, type State } from "./store";
import { formatNumber, t } from "./texts";
import { Backup } from "./views/Backup";
import { Login, Setup } from "./views/Entrance";
import { Forwards } from "./views/Forwards";
import { History } from "./views/History";
import { Networks } from "./views/Networks";
import { Policies } from "./views/Policies";
import { Redirects } from "./views/Redirects";
import { Settings } from "./views/Settings";
import { SourceNats } from "./views/SourceNats";
import { Uplinks } from "./views/Uplinks";

function App() {
	const [state, setState] = useState(getState());
	useLayoutEffect(() => subscribe(() => setState(getState())), []);
	switch (state.phase) {
	case "loading":
		return <main class="entrance"><p role="status">{t(state.offline ? "problem.unreachable" : "app.loading")}</p></main>;
	case "setup":
		return <Setup />;
	case "login":
		return <Login ended={state.sessionEnded} />;
	case "ready":
		return <Shell state={state} />;
	}
}

function Shell({ state }: { state: State }) {
	const route = useRoute();
	const [menu, setMenu] = useState(false);
	const content = useRef<HTMLElement>(null);
	const firstView = useRef(route.view);

	useLayoutEffect(() => {
		watch(isKind(route.view) ? [route.view] : []);
		setMenu(false);
		if (firstView.current !== route.view) {
			scrollTo(0, 0);
			content.current?.querySelector<HTMLElement>("h1")?.focus();
			firstView.current = route.view;
		}
	}, [route.view]);
	useEffect(() => {
		document.title = t("app.title", { view: t(`nav.${route.view}`), host: state.status?.hostname || t("app.name") });
	}, [route.view, state.status?.hostname]);

	return (
		<div class="shell">
			<a class="skip" href="#content" onClick={(e) => { e.preventDefault(); content.current?.focus(); }}>{t("nav.skip")}</a>
			<header class="top">
				<div class="brand">
					<Mark />
					<span class="brand-name">{t("app.name")}</span>
				</div>
				<button type="button" class="button menu-button" aria-expanded={menu} aria-controls="menu" onClick={() => setMenu(!menu)}>
					<Icon name="menu" />{t("action.menu")}
				</button>
				<div id="menu" class={`menu ${menu ? "menu-open" : ""}`}>
					<nav aria-label={t("nav.label")}>
						<ul>
							{views.map((view) => (
								<li key={view}>
									<a href={href(view)} aria-current={view === route.view ? "page" : undefined} onClick={() => setMenu(false)}>
										<Icon name={view} /><span>{t(`nav.${view}`)}</span><Count state={state} view={view} />
									</a>
								</li>
							))}
						</ul>
					</nav>
					<footer class="about">
						{state.status && (
							<p>
								<span class="strong">{state.status.hostname}</span>
								<span>{t("app.name")} {state.status.version}</span>
								<span>{t("nav.revision", { n: state.status.revision })}</span>
							</p>
						)}
						<button type="button" class="link" onClick={() => void logOut()}>{t("action.logout")}</button>
					</footer>
				</div>
			</header>
			<div class="body">
				<TrialBar state={state} />
				<Strip state={state} />
				<main id="content" ref={content} tabIndex={-1}><View state={state} route={route} /></main>
			</div>
			<Notices notices={state.notices} />
		</div>
	);
}

function Count({ state, view }: { state: State; view: Route["view"] }) {
	const items = isKind(view) ? state.collections[view] : null;
	return items?.length ? <span class="count">{formatNumber(items.length)}</span> : null;
}

function View({ state, route }: { state: State; route: Route }) {
	switch (route.view) {
	case "forwards":
		return <Forwards state={state} route={route} />;
	case "uplinks":
		return <Uplinks state={state} route={route} />;
	case "policies":
		return <Policies state={state} route={route} />;
	case "networks":
		return <Networks state={state} route={route} />;
	case "redirects":
		return <Redirects state={state} route={route} />;
	case "source-nats":
		return <SourceNats state={state} route={route} />;
	case "history":
		return <History state={state} route={route} />;
	case "backup":
		return <Backup state={state} />;
	case "settings":
		return <Settings state={state} />;
	}
}

render(<App />, document.getElementById("app")!);
void start();
