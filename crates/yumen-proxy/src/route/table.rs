//! The routes of one listener, compiled.

use std::sync::Arc;

use regex::Regex;
use yumen_config::config::{self, HostPattern, PathMatch};
use yumen_core::{Caller, Met, Middleware, Request};
use yumen_telemetry::RouteMetrics;

use super::matcher::Conditions;
use super::{host, path};
use crate::upstream::{Phase, Upstream};

/// A route, compiled.
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<config::Route>,
    pub(crate) chain: Vec<Arc<dyn Middleware>>,
    pub(crate) upstream: Option<Arc<Upstream>>,
    pub(crate) phase: Phase,
    pub(crate) metrics: Arc<RouteMetrics>,
    conditions: Conditions,
}

impl Route {
    /// Compiles a route whose chain and upstream are known.
    pub(crate) fn build(
        config: &Arc<config::Route>,
        chain: Vec<Arc<dyn Middleware>>,
        upstream: Option<Arc<Upstream>>,
        metrics: Arc<RouteMetrics>,
    ) -> Result<Self, regex::Error> {
        let timeouts = upstream.as_ref().map(|u| u.config.timeouts.clone()).unwrap_or_default();
        let own = &config.timeouts;
        let phase = Phase {
            connect: own.connect.unwrap_or(timeouts.connect),
            head: own.head.or(timeouts.head),
            idle: own.idle.or(timeouts.idle),
            request: own.request.or(timeouts.request),
            tunnel_idle: own.tunnel_idle.or(timeouts.tunnel_idle),
            protocol: config.upstream_protocol.or(upstream.as_ref().map(|u| u.config.protocol)).unwrap_or_default(),
        };
        let conditions = Conditions::build(&config.matcher)?;
        let (name, config) = (config.name.arc(), Arc::clone(config));
        Ok(Self { name, config, chain, upstream, phase, metrics, conditions })
    }

    /// The conditions that do not hold, in words.
    pub(crate) fn failing(&self, request: &Request, caller: Caller<'_>) -> Vec<String> {
        self.conditions.failing(request, caller)
    }
}

impl Met for Route {
    fn name(&self) -> &str {
        &self.name
    }
}

/// The routes of one listener.
#[derive(Default)]
pub(crate) struct Table {
    /// All routes of the snapshot; the indexes below point into it.
    routes: Arc<Vec<Arc<Route>>>,
    hosts: host::Hosts<path::Paths<u32>>,
}

/// One candidate of an explanation.
pub(crate) struct Step {
    pub(crate) route: Arc<Route>,
    /// The conditions that do not hold; when there are none, it took the request.
    pub(crate) refused: Vec<String>,
}

impl Table {
    /// Builds the table of a listener from the routes that name it.
    pub(crate) fn build(routes: &Arc<Vec<Arc<Route>>>, on: &config::Listener) -> Result<Self, regex::Error> {
        let mut table = Self { routes: Arc::clone(routes), hosts: host::Hosts::default() };
        let mut order: Vec<usize> = (0..routes.len()).collect();
        // Stable: the order of the file stays where the number of conditions is the same.
        order.sort_by_key(|i| std::cmp::Reverse(routes.get(*i).map_or(0, |r| r.conditions.count())));
        for index in order {
            let Some(route) = routes.get(index).filter(|r| on.is_among(&r.config.listeners)) else { continue };
            let pattern = match &route.config.matcher.path {
                PathMatch::Exact(text) => path::Pattern::Exact(text.clone()),
                PathMatch::Prefix(text) => path::prefix(text),
                PathMatch::Template(text) => path::template(text),
                PathMatch::Regex(text) => path::Pattern::Regex(Regex::new(text)?),
            };
            for host in &route.config.hosts {
                let host = match host {
                    HostPattern::Exact(host) => host::Pattern::Exact(host.clone()),
                    HostPattern::Below(host) => host::Pattern::Below(host.clone()),
                    HostPattern::Any => host::Pattern::Any,
                };
                table.hosts.entry(&host).add(&pattern, index as u32);
            }
        }
        Ok(table)
    }

    /// All routes, also those of other listeners.
    pub(crate) fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The route that takes a request.
    pub(crate) fn find(&self, request: &Request, caller: Caller<'_>) -> Option<&Arc<Route>> {
        let mut accept =
            |index: u32| self.routes.get(index as usize).is_some_and(|r| r.conditions.holds(request, caller));
        let path = request.path();
        let index = {
            let mut within = |paths: &path::Paths<u32>| paths.find(path, &mut accept);
            // The host is looked for only where there are hosts.
            match self.hosts.only_any() {
                Some(paths) => within(paths)?,
                None => self.hosts.find(request.host(), &mut within)?,
            }
        } as usize;
        self.routes.get(index)
    }

    /// Every candidate on the way, nearest first; the last one took the request unless it too says why not.
    pub(crate) fn explain(&self, request: &Request, caller: Caller<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut accept = |index: u32| {
            let Some(route) = self.routes.get(index as usize) else { return false };
            let refused = route.failing(request, caller);
            let taken = refused.is_empty();
            steps.push(Step { route: Arc::clone(route), refused });
            taken
        };
        let path = request.path();
        self.hosts.find(request.host(), &mut |paths| paths.find(path, &mut accept));
        steps
    }
}
