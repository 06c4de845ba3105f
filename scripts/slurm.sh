# shellcheck shell=bash
# A Slurm of our own: Debian's packages unpacked under target/, two nodes on this machine, ports and files that no other
# Slurm has. Nothing is installed, and no root is needed. To be sourced after lib.sh and packages.sh, from the top of the
# repository.

# Sets `slurm_root`, and `slurm_path` to what the programs need. Fails with a sentence as the last line.
find_slurm() {
    [[ "$(uname -s)" == Linux ]] || {
        say "Slurm is for Linux"
        return 1
    }
    local folder="$PWD/target/slurm" file name libraries
    slurm_root="$folder/root"
    [[ -f "$folder/done" ]] || unpack "$folder" "" slurmctld slurmd slurm-client munge || return 1
    libraries="$(dirname "$(find "$slurm_root/usr/lib" -path '*/slurm*/libslurmfull.so' -print -quit)")"
    slurm_plugins="$libraries"
    # Only libraries that this system lacks: its own go with its C library.
    mkdir -p "$folder/lib"
    find "$folder/lib" -type l -delete
    while IFS= read -r file; do
        name="${file##*/}"
        has_library "$name " || ln -sf "$file" "$folder/lib/$name"
    done < <(find "$slurm_root"/lib "${libraries%/*}" -maxdepth 2 -name '*.so.*')
    slurm_path="$folder/lib:$libraries"
    LD_LIBRARY_PATH="$slurm_path" "$slurm_root/usr/sbin/slurmd-wlm" -V >/dev/null 2>&1 || {
        say "Debian's Slurm does not run here; remove target/slurm to fetch it again"
        return 1
    }
}

# A port from $1 on that nobody listens on.
free_port() {
    local port="$1"
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

# Starts daemon $1, which stays in the foreground, with the rest as arguments. A process group of its own, so that what
# ends this script does not end the daemons before their jobs.
slurm_daemon() {
    local name="$1"
    shift
    LD_LIBRARY_PATH="$slurm_path" setsid "$@" >"$slurm/$name.log" 2>&1 &
    slurm_daemons+=("$!")
}

# Starts nodes `one` and `two`, with files in folder $1, which everybody may enter, and puts sbatch and the like on the path. Fails with a sentence.
start_slurm() {
    slurm="$1"
    slurm_daemons=()
    local name user host port
    user="$(id -un)" host="$(uname -n)"
    mkdir -p "$slurm"/{bin,state,one,two}
    (umask 077 && head -c 64 /dev/urandom >"$slurm/key")
    slurm_daemon munged "$slurm_root/usr/sbin/munged" --foreground --socket="$slurm/munge" --key-file="$slurm/key" \
        --log-file="$slurm/munged.log" --pid-file="$slurm/munged.pid" --seed-file="$slurm/seed"

    port="$(free_port $((20000 + RANDOM % 10000)))"
    local first second
    first="$(free_port $((port + 1)))"
    second="$(free_port $((first + 1)))"
    cat >"$slurm/slurm.conf" <<CONF
ClusterName=check
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
# How long what goes back into the queue waits, too; less than 5 is taken for 120.
AuthInfo=socket=$slurm/munge,cred_expire=6
PluginDir=$slurm_plugins
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$slurm/%n
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2,sched_min_interval=200000,batch_sched_delay=0
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=one NodeHostname=$host NodeAddr=127.0.0.1 Port=$first CPUs=2
NodeName=two NodeHostname=$host NodeAddr=127.0.0.1 Port=$second CPUs=2
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$slurm/slurm.conf"
    for name in sbatch scancel scontrol sinfo squeue; do
        # Not exported: jobs run programs of this system.
        cat >"$slurm/bin/$name" <<SH
#!/bin/sh
LD_LIBRARY_PATH="$slurm_path" exec "$slurm_root/usr/bin/$name" "\$@"
SH
        chmod +x "$slurm/bin/$name"
    done
    PATH="$slurm/bin:$PATH"
    soon 10 test -S "$slurm/munge" || slurm_failed munged || return 1
    slurm_daemon slurmctld "$slurm_root/usr/sbin/slurmctld-wlm" -D
    for name in one two; do
        slurm_daemon "$name" "$slurm_root/usr/sbin/slurmd-wlm" -D -N "$name" -d "$slurm_root/usr/sbin/slurmstepd-wlm"
    done
    soon 30 nodes_are_idle || slurm_failed slurmctld one two || return 1
}

nodes_are_idle() { [[ "$(sinfo -h -N -o %T 2>/dev/null | grep -c idle)" == 2 ]]; }

# Shows the ends of logs, and fails with a sentence.
slurm_failed() {
    local name
    for name; do
        tail -n 5 "$slurm/$name.log" >&2 || true
    done
    say "Slurm does not start here ($*)"
    return 1
}

# Whether the command is true within $1 seconds.
soon() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

no_jobs() { [[ -z "$(squeue -h 2>/dev/null)" ]]; }

daemons_ended() { ! kill -0 "${slurm_daemons[@]}" 2>/dev/null; }

# Ends all jobs, and then the daemons.
stop_slurm() {
    [[ -n "${slurm_daemons[*]:-}" ]] || return 0
    local process
    if [[ -S "$slurm/munge" ]]; then
        squeue -h -o %A 2>/dev/null | xargs -r scancel --signal=KILL --full 2>/dev/null || true
        squeue -h -o %A 2>/dev/null | xargs -r scancel 2>/dev/null || true
        soon 5 no_jobs || true
    fi
    kill "${slurm_daemons[@]}" 2>/dev/null || true
    # slurmd may wait for a job that never ends.
    soon 3 daemons_ended || kill -KILL "${slurm_daemons[@]}" 2>/dev/null || true
    wait "${slurm_daemons[@]}" 2>/dev/null || true
    # What is left of jobs, by the one thing that nobody else has.
    for process in /proc/[0-9]*; do
        ! grep -qzxF "SLURM_CONF=$SLURM_CONF" "$process/environ" 2>/dev/null ||
            kill -KILL "${process#/proc/}" 2>/dev/null || true
    done
    slurm_daemons=()
}
