//! Compiled pipelines on disk, where the driver hands them out: Vulkan's pipeline cache.

use std::path::{Path, PathBuf};

use super::AdapterReport;
use crate::digest::digest_bytes;
use crate::engine::shaders;
use crate::error::Result;
use crate::{digest, files};

/// A file that is larger is not read, nor written: no network needs as much.
const MOST_BYTES: u64 = 256 << 20;

/// The cache of one adapter and driver, and its file.
#[derive(Debug)]
pub struct Disk {
    cache: wgpu::PipelineCache,
    path: PathBuf,
    /// Bytes that were read.
    known: usize,
}

impl Disk {
    /// The cache for `report`'s adapter, with what its file holds. None where the driver has no such
    /// cache or no folder is known. A file that is damaged or of other kernels counts as empty.
    #[allow(unsafe_code)]
    pub fn open(device: &wgpu::Device, report: &AdapterReport) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let parts = [&report.name, &report.backend, &report.driver].map(String::as_str);
        let name = format!("pipelines-{}.bin", digest::digest(parts));
        let path = files::cache_folder()?.join(name);
        let data = read(&path);
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("pipelines"),
            data: data.as_deref(),
            fallback: true,
        };
        // SAFETY: wgpu asks that the data come from `PipelineCache::get_data`. It is what `save` wrote
        // for this adapter and driver, whole, by the digest that stands before it; wgpu and the driver
        // check its version and device once more.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Disk { cache, path, known: data.map_or(0, |data| data.len()) })
    }

    /// What pipelines are made with.
    pub fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes the file, if there is more than it held.
    ///
    /// # Errors
    /// [`Error::File`](crate::error::Error::File) when that fails; an older file is then untouched.
    pub fn save(&self) -> Result<()> {
        let data = self.cache.get_data().unwrap_or_default();
        if data.len() <= self.known || data.len() as u64 > MOST_BYTES {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            files::create_folder(folder)?;
        }
        files::write(&self.path, &[head(&data).as_bytes(), &data].concat())
    }
}

/// What stands before `data`: the kernels that it is of, and a digest of it.
fn head(data: &[u8]) -> String {
    format!("parula pipelines {} {}\n", shaders::digest(), digest_bytes(data.iter().copied()))
}

/// What `path` holds, where it is whole and of these kernels.
fn read(path: &Path) -> Option<Vec<u8>> {
    let file = files::read_at_most(path, MOST_BYTES).ok()?;
    parse(&file).map(<[u8]>::to_vec)
}

/// What `file` holds behind its head, where that fits it.
pub(crate) fn parse(file: &[u8]) -> Option<&[u8]> {
    let data = &file[file.iter().position(|&byte| byte == b'\n')? + 1..];
    file.starts_with(head(data).as_bytes()).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_or_of_other_kernels_counts_as_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipelines.bin");
        assert_eq!(read(&path), None);
        let data = b"one\ntwo".to_vec();
        let whole = [head(&data).as_bytes(), &data].concat();
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(read(&path).as_ref(), Some(&data));
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(read(&path), None, "cut after {end} bytes");
        }
        let other =
            String::from_utf8(whole).unwrap().replace(&shaders::digest(), "0123456789abcdef");
        std::fs::write(&path, other).unwrap();
        assert_eq!(read(&path), None);
    }
}
