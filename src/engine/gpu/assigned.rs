//! The GPU that a scheduler has given to this process, by the variables that schedulers set. Vulkan and DX12 know
//! nothing of them: without this, all jobs of a node would share its first GPU.
//!
//! Numbers count the GPUs that can be seen, in the order of their PCI bus ids, as `CUDA_DEVICE_ORDER=PCI_BUS_ID` and
//! `nvidia-smi` do. A UUID is looked up where NVIDIA's driver for Linux tells bus ids.

/// What is known of an adapter.
#[derive(Clone, Debug)]
pub struct Seen {
    /// PCI's number of the vendor.
    pub vendor: u32,
    /// The PCI bus id, as [`normal`] writes it.
    pub pci: Option<String>,
}

/// PCI's number of NVIDIA.
const NVIDIA: u32 = 0x10de;
/// PCI's number of AMD.
const AMD: u32 = 0x1002;

/// The variables, in the order in which they count, each with the vendor whose GPUs it is about; that of Slurm itself is
/// about any.
const VARIABLES: [(&str, Option<u32>); 5] = [
    ("CUDA_VISIBLE_DEVICES", Some(NVIDIA)),
    ("ROCR_VISIBLE_DEVICES", Some(AMD)),
    ("HIP_VISIBLE_DEVICES", Some(AMD)),
    ("SLURM_STEP_GPUS", None),
    ("SLURM_JOB_GPUS", None),
];

/// What the variables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// Nothing.
    Any,
    /// This one of the adapters, by that variable.
    One(usize, &'static str),
    /// None of a vendor, by that variable.
    None(u32, &'static str),
    /// One that is not there, in words.
    Missing(String),
}

/// What `variable` tells of the first GPU that is this process's among `adapters`; `bus_of` finds the PCI bus id of
/// a UUID.
pub fn assigned(
    adapters: &[Seen],
    variable: impl Fn(&str) -> Option<String>,
    bus_of: impl Fn(&str) -> Option<String>,
) -> Assigned {
    let set = VARIABLES.iter().find_map(|&(name, vendor)| Some((name, vendor, variable(name)?)));
    let Some((name, vendor, value)) = set else { return Assigned::Any };
    let first = value.split(',').next().unwrap_or_default().trim();
    if let (Some(vendor), "" | "-1" | "NoDevFiles") = (vendor, first) {
        return Assigned::None(vendor, name);
    }
    if first.is_empty() {
        return Assigned::Any;
    }
    let gpus = by_bus(adapters, vendor);
    let count = value.split(',').count();
    let found = match first.parse::<usize>() {
        Ok(number) if number < gpus.len() => Some(gpus[number]),
        // Slurm's own numbers are those of the node, and a control group may hide all but the job's own.
        Ok(_) if vendor.is_none() && gpus.len() == count => gpus.first().copied(),
        Ok(_) => None,
        Err(_) => bus_of(first).and_then(|bus| {
            let bus = normal(&bus);
            gpus.iter().copied().find(|&index| adapters[index].pci.as_deref() == Some(&bus))
        }),
    };
    found.map_or_else(
        || {
            let seen = match gpus.len() {
                0 => "no such GPU".to_owned(),
                1 => "one such GPU".to_owned(),
                many => format!("{many} such GPUs"),
            };
            Assigned::Missing(format!(
                "{name}={value} names a GPU that is not there: {seen} can be seen"
            ))
        },
        |index| Assigned::One(index, name),
    )
}

/// The adapters with a PCI bus id, one for each, in its order; of `vendor`, where one is named.
fn by_bus(adapters: &[Seen], vendor: Option<u32>) -> Vec<usize> {
    let of_vendor = |seen: &Seen| vendor.is_none_or(|vendor| seen.vendor == vendor);
    let mut found: Vec<usize> = (0..adapters.len())
        .filter(|&index| adapters[index].pci.is_some() && of_vendor(&adapters[index]))
        .collect();
    // Stable: of several interfaces to one GPU the best comes first.
    found.sort_by_key(|&index| &adapters[index].pci);
    found.dedup_by_key(|index| &adapters[*index].pci);
    found
}

/// A PCI bus id as `0000:41:00.0`, in small letters, where the domain may have been left away.
pub fn normal(bus: &str) -> String {
    let bus = bus.trim().to_lowercase();
    match bus.split_once(':') {
        // Some tools write eight digits.
        Some((domain, rest)) if rest.contains(':') => {
            format!("{:0>4}:{rest}", domain.trim_start_matches('0'))
        }
        _ => format!("0000:{bus}"),
    }
}

/// The PCI bus id of the NVIDIA GPU whose UUID begins with `uuid`, as its driver for Linux tells it.
pub fn bus_of_nvidia(uuid: &str) -> Option<String> {
    let entries = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    entries.filter_map(|entry| entry.ok()).find_map(|entry| {
        let path = entry.path().join("information");
        let text = crate::files::read_at_most(&path, 1 << 16).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let own = text.lines().find_map(|line| line.strip_prefix("GPU UUID:"))?.trim();
        own.starts_with(uuid).then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node of two NVIDIA GPUs, seen out of order and one of them twice, an AMD one and a software driver.
    fn node() -> Vec<Seen> {
        let adapter = |vendor, pci: Option<&str>| Seen { vendor, pci: pci.map(str::to_owned) };
        vec![
            adapter(NVIDIA, Some("0000:c1:00.0")),
            adapter(NVIDIA, Some("0000:41:00.0")),
            adapter(NVIDIA, Some("0000:41:00.0")),
            adapter(AMD, Some("0000:05:00.0")),
            adapter(0x10005, None),
        ]
    }

    fn with(variables: &[(&str, &str)]) -> Assigned {
        let variable = |name: &str| {
            variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
        };
        let bus = |uuid: &str| uuid.starts_with("GPU-7f").then(|| "00000000:C1:00.0".to_owned());
        assigned(&node(), variable, bus)
    }

    #[test]
    fn two_tasks_of_a_node_get_a_gpu_each() {
        let cuda = "CUDA_VISIBLE_DEVICES";
        assert_eq!(with(&[]), Assigned::Any);
        assert_eq!(with(&[(cuda, "0")]), Assigned::One(1, cuda));
        assert_eq!(with(&[(cuda, "1,0")]), Assigned::One(0, cuda));
        assert_eq!(with(&[(cuda, "GPU-7f01")]), Assigned::One(0, cuda));
        let rocr = "ROCR_VISIBLE_DEVICES";
        assert_eq!(with(&[(rocr, "0")]), Assigned::One(3, rocr));
        // Slurm's own variable counts where the vendor's is not set, and all GPUs.
        let slurm = "SLURM_JOB_GPUS";
        assert_eq!(with(&[(slurm, "2")]), Assigned::One(0, slurm));
        assert_eq!(with(&[(slurm, "2"), (cuda, "0")]), Assigned::One(1, cuda));
    }

    #[test]
    fn a_control_group_leaves_a_job_its_own_gpu_whatever_its_number_on_the_node() {
        let one = &node()[1..2];
        let variable = |name: &str| (name == "SLURM_JOB_GPUS").then(|| "5".to_owned());
        assert_eq!(assigned(one, variable, |_| None), Assigned::One(0, "SLURM_JOB_GPUS"));
    }

    #[test]
    fn what_is_not_there_is_said_and_none_is_none() {
        for value in ["2", "GPU-none", "MIG-7f"] {
            let Assigned::Missing(why) = with(&[("CUDA_VISIBLE_DEVICES", value)]) else { panic!() };
            assert!(why.contains(value) && why.contains("2 such GPUs"), "{why}");
        }
        for value in ["", "-1"] {
            let none = with(&[("CUDA_VISIBLE_DEVICES", value)]);
            assert_eq!(none, Assigned::None(NVIDIA, "CUDA_VISIBLE_DEVICES"));
        }
    }

    #[test]
    fn bus_ids_are_read_as_people_write_them() {
        for written in ["0000:41:00.0", "41:00.0", "00000000:41:00.0", " 0000:41:00.0 "] {
            assert_eq!(normal(written), "0000:41:00.0");
        }
        assert_eq!(normal("0001:C1:00.0"), "0001:c1:00.0");
    }
}
