//! Whole models and methods of explanation, timed on an adapter, and what the processor does for them.

use std::sync::Arc;

use super::{Bench, networks};
use crate::cli::{Global, print, print_json};
use crate::engine::gpu::Gpu;
use crate::error::Result;
use crate::lab::bench::{
    self, Effort, HostReport, ModelTiming, PhaseGraph, Profile, Report, Witness, time_model,
};
use crate::nets::cam;
use crate::nets::models::{self, Network};
use crate::stop::Stop;

impl Bench {
    /// Times what the processor does.
    pub(super) fn host(&self, global: &Global) -> Result<()> {
        let usual = [models::find_any("mobilenet-v2")?];
        let named = networks(&self.model, self.size)?;
        let networks = if named.is_empty() { &usual[..] } else { &named };
        let mut report = HostReport::begin();
        for &network in networks {
            global.stop.check(|| format!("{} networks were timed", report.host.len()))?;
            let size = self.size.unwrap_or(network.input);
            report.host.push(bench::host(
                network,
                self.batch,
                size,
                Effort::new(self.quick, true),
            )?);
        }
        report.machine.ends();
        if global.json { print_json(&report) } else { print(&report.to_string()) }
    }

    pub(super) fn models(
        &self,
        models: &[&'static Network],
        gpu: &Arc<Gpu>,
        effort: Effort,
        report: &mut Report,
        stop: &Stop,
    ) -> Result<()> {
        if models.is_empty() {
            return Ok(());
        }
        let witness = Witness::new(gpu)?;
        for &network in models {
            let size = self.size.unwrap_or(network.input);
            let batch = self.batch;
            let timed = report.models.len();
            let mut open = |phase| {
                stop.check(|| format!("{timed} models were timed"))?;
                PhaseGraph::new(network, phase, batch, size)?.session(gpu)
            };
            let (name, ceiling) = (network.name, &report.ceiling);
            let model = name.to_owned();
            let mut found = ModelTiming { model, batch, input: size, ..ModelTiming::default() };
            let phases = &self.phases;
            let done = time_model(&mut found, phases, effort, ceiling, &witness, &mut open);
            // The phases before the one that was stopped are timed.
            if found.timed() {
                report.models.push(found);
            }
            done?;
            for &phase in self.phases.iter().filter(|_| self.profile) {
                let rows = bench::profile(&open(phase)?)?;
                let (model, input) = (name.to_owned(), size);
                let sum_ms = rows.iter().map(|row| row.ms).sum();
                report.profiles.push(Profile { model, batch, input, phase, sum_ms, rows });
            }
        }
        Ok(())
    }

    pub(super) fn methods(
        &self,
        models: &[&'static Network],
        gpu: &Arc<Gpu>,
        effort: Effort,
        report: &mut Report,
        stop: &Stop,
    ) -> Result<()> {
        let methods = cam::find_all(&self.methods)?;
        for &network in models {
            let size = self.size.unwrap_or(network.input);
            for method in &methods {
                stop.check(|| format!("{} methods were timed", report.methods.len()))?;
                let batch = self.batch;
                let timed = bench::time_method(gpu, network, method, batch, size, effort)?;
                crate::console::note!(
                    "{} {}: {:.3} ms",
                    network.name,
                    method.name,
                    timed.timing.ms
                );
                report.methods.push(timed);
            }
        }
        Ok(())
    }
}
