//! Pipelines, one a kernel variant and never one a tensor shape, and their bindings.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::disk::Disk;
use super::{Buffer, Command, Gpu, Texture, one_line, texture_format};
use crate::engine::kernel::Element;
use crate::engine::shaders::{self, Access};
use crate::error::{Error, Result};
use crate::parallel;

/// What a pipeline is made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The shader's file stem.
    pub shader: &'static str,
    /// The entry point.
    pub entry: &'static str,
    /// `override` constants; values as bits, so that keys can be compared.
    pub constants: Vec<(&'static str, u64)>,
    /// Register tiles.
    pub tiles: Vec<(&'static str, u32)>,
    /// Whether it reads through textures.
    pub texels: bool,
    /// The tensors that it reaches in 16 bits.
    pub halves: Vec<&'static str>,
    /// Whether it is compiled with bounds checks, whatever [`Gpu::check_shaders`] says.
    pub checked: bool,
}

impl Key {
    /// The same with bounds checks, or without.
    pub fn checked(self, checked: bool) -> Self {
        Key { checked, ..self }
    }

    /// A key from constants as numbers.
    pub fn new(
        shader: &'static str,
        entry: &'static str,
        constants: &[(&'static str, f64)],
        tiles: &[(&'static str, u32)],
        texels: bool,
        halves: &[&'static str],
    ) -> Self {
        let constants = constants.iter().map(|(name, value)| (*name, value.to_bits())).collect();
        let (tiles, halves) = (tiles.to_vec(), halves.to_vec());
        Key { shader, entry, constants, tiles, texels, halves, checked: false }
    }
}

/// A compiled kernel.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    label: String,
}

impl Pipeline {
    pub(super) fn handle(&self) -> &wgpu::ComputePipeline {
        &self.pipeline
    }
}

type ModuleKey = (&'static str, Vec<(&'static str, u32)>, bool, Vec<&'static str>, bool);

fn module_key(key: &Key, checked: bool) -> ModuleKey {
    (key.shader, key.tiles.clone(), key.texels, key.halves.clone(), checked)
}

/// Modules and pipelines made so far.
#[derive(Debug, Default)]
pub(super) struct Cache {
    modules: HashMap<ModuleKey, wgpu::ShaderModule>,
    pipelines: HashMap<Key, Arc<Pipeline>>,
}

/// What stands behind `@binding(index)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource<'a> {
    /// `@binding(index)`.
    pub index: u32,
    /// A range of a buffer, or a texture.
    pub memory: Bindable<'a>,
}

/// Memory that a kernel can be given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bindable<'a> {
    /// `bytes` of `buffer` from `start`.
    Range {
        /// The buffer.
        buffer: &'a Buffer,
        /// In bytes.
        start: u64,
        /// In bytes.
        bytes: u64,
    },
    /// A texture.
    Texture(&'a Texture),
}

fn buffer_binding(ty: wgpu::BufferBindingType) -> wgpu::BindingType {
    wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None }
}

impl Gpu {
    /// The pipeline for `key`, compiled at its first use.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the shader does not compile for this adapter.
    pub(crate) fn pipeline(&self, key: &Key) -> Result<Arc<Pipeline>> {
        let checked = self.checked || key.checked;
        let full = key.clone().checked(checked);
        if let Some(found) = self.cache().pipelines.get(&full) {
            return Ok(found.clone());
        }
        // The cache is open while the driver works: another core may compile at the same time. Where two made the
        // same one, all get the first.
        let module = self.module(key, checked)?;
        let pipeline = Arc::new(self.compile_pipeline(key, &module)?);
        Ok(self.cache().pipelines.entry(full).or_insert(pipeline).clone())
    }

    /// Compiles what `keys` need and is not there yet, on all cores.
    ///
    /// # Errors
    /// As [`Self::pipeline`], for the first of `keys` that does not compile.
    pub(crate) fn compile(&self, keys: &[Key]) -> Result<()> {
        let mut seen = HashSet::new();
        let missing = |key: &&Key| {
            let full = (*key).clone().checked(self.checked || key.checked);
            !self.cache().pipelines.contains_key(&full) && seen.insert(full)
        };
        let keys: Vec<&Key> = keys.iter().filter(missing).collect();
        // Several pipelines are made from one module.
        let mut seen = HashSet::new();
        let first = |key: &&&Key| seen.insert(module_key(key, self.checked || key.checked));
        let modules: Vec<&Key> = keys.iter().filter(first).copied().collect();
        let module = |key: &&Key| self.module(key, self.checked || key.checked).map(drop);
        parallel::map(&modules, module).into_iter().collect::<Result<()>>()?;
        parallel::map(&keys, |key| self.pipeline(key).map(drop)).into_iter().collect()
    }

    fn module(&self, key: &Key, checked: bool) -> Result<wgpu::ShaderModule> {
        let module_key = module_key(key, checked);
        if let Some(module) = self.cache().modules.get(&module_key) {
            return Ok(module.clone());
        }
        let module = self.compile_module(key, checked)?;
        Ok(self.cache().modules.entry(module_key).or_insert(module).clone())
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The WGSL of a shader with these register tiles, as it is compiled for this adapter: `texels`, whether it reads
    /// through textures, and `halves`, the tensors that it reaches in 16 bits, are those of a plan's dispatch.
    ///
    /// # Errors
    /// [`Error::Usage`] for a shader or a tile that is not there.
    pub fn wgsl(
        &self,
        shader: &'static str,
        tiles: &[(&'static str, u32)],
        texels: bool,
        halves: &[&'static str],
    ) -> Result<Cow<'static, str>> {
        let mut text = shaders::source_with(shader, tiles, texels, halves)?;
        if self.capabilities.subgroup.is_none() {
            text = shaders::without_subgroups(&text).into();
        }
        if !self.device.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
            text = shaders::without_cooperative(&text).into();
        }
        Ok(text)
    }

    /// How many pipelines have been compiled.
    pub fn compiled(&self) -> usize {
        self.cache().pipelines.len()
    }

    #[allow(unsafe_code)]
    fn compile_module(&self, key: &Key, checked: bool) -> Result<wgpu::ShaderModule> {
        let text = self.wgsl(key.shader, &key.tiles, key.texels, &key.halves)?;
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(key.shader),
            source: wgpu::ShaderSource::Wgsl(text),
        };
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = if checked {
            self.device.create_shader_module(descriptor)
        } else {
            // SAFETY: the checks that this leaves out keep indices inside arrays and loops finite.
            // Every index in shaders/ is bounded by sizes that the planner takes from the tensors
            // bound, and tests/kernels.rs runs every kernel with the checks on and compares.
            unsafe {
                self.device.create_shader_module_trusted(
                    descriptor,
                    wgpu::ShaderRuntimeChecks::unchecked(),
                )
            }
        };
        match pollster::block_on(scope.pop()) {
            None => Ok(module),
            Some(error) => Err(Error::Gpu {
                doing: format!("compiling the shader {}", key.shader),
                message: shaders::located(key.shader, &one_line(&error.to_string())),
            }),
        }
    }

    fn compile_pipeline(&self, key: &Key, module: &wgpu::ShaderModule) -> Result<Pipeline> {
        let interface = shaders::interface(key.shader, key.entry, key.texels)?;
        let entries: Vec<wgpu::BindGroupLayoutEntry> = interface
            .bindings
            .iter()
            .map(|binding| wgpu::BindGroupLayoutEntry {
                binding: binding.index,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: match binding.access {
                    Access::Uniform => buffer_binding(wgpu::BufferBindingType::Uniform),
                    Access::Read => {
                        buffer_binding(wgpu::BufferBindingType::Storage { read_only: true })
                    }
                    Access::ReadWrite => {
                        buffer_binding(wgpu::BufferBindingType::Storage { read_only: false })
                    }
                    Access::Texels => wgpu::BindingType::StorageTexture {
                        access: wgpu::StorageTextureAccess::ReadOnly,
                        format: match key.halves.contains(&binding.name.as_str()) {
                            true => texture_format(Element::F16),
                            false => texture_format(Element::F32),
                        },
                        view_dimension: wgpu::TextureViewDimension::D2,
                    },
                },
                count: None,
            })
            .collect();
        let label = format!("{}/{}", key.shader, key.entry);
        let constants: Vec<(&str, f64)> =
            key.constants.iter().map(|(name, bits)| (*name, f64::from_bits(*bits))).collect();
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(&label),
            entries: &entries,
        });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&pipeline_layout),
            module,
            entry_point: Some(key.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // Every kernel writes workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: self.disk.as_ref().map(Disk::cache),
        });
        match pollster::block_on(scope.pop()) {
            None => Ok(Pipeline { pipeline, layout, label }),
            Some(error) => Err(Error::Gpu {
                doing: format!("compiling {label}"),
                message: one_line(&error.to_string()),
            }),
        }
    }

    /// Binds `resources` to `pipeline`, ready to be submitted any number of times.
    ///
    /// # Errors
    /// [`Error::Gpu`] when they do not fit the kernel.
    pub(crate) fn command(
        &self,
        pipeline: &Arc<Pipeline>,
        resources: &[Resource],
        workgroups: [u32; 3],
    ) -> Result<Command> {
        let entries: Vec<wgpu::BindGroupEntry> = resources
            .iter()
            .map(|resource| wgpu::BindGroupEntry {
                binding: resource.index,
                resource: match resource.memory {
                    Bindable::Range { buffer, start, bytes } => {
                        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                            buffer: &buffer.0.buffer,
                            offset: start,
                            size: NonZeroU64::new(bytes),
                        })
                    }
                    Bindable::Texture(texture) => {
                        wgpu::BindingResource::TextureView(&texture.0.view)
                    }
                },
            })
            .collect();
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&pipeline.label),
            layout: &pipeline.layout,
            entries: &entries,
        });
        match pollster::block_on(scope.pop()) {
            None => Ok(Command::Dispatch { pipeline: pipeline.clone(), group, workgroups }),
            Some(error) => Err(Error::Gpu {
                doing: format!("binding {}", pipeline.label),
                message: one_line(&error.to_string()),
            }),
        }
    }
}
