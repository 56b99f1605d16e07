//! Processes that live no longer than the load generator, and the spinners, which are such.

use std::hint::black_box;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

/// A process that is ended when this is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> io::Result<Process> {
        Ok(Process(command.spawn()?))
    }

    /// This binary in another role. It ends by itself when the load generator does, whose end of a pipe it reads.
    pub(crate) fn start_self(wrapper: &[&str], arguments: &[&str]) -> io::Result<Process> {
        let own = std::env::current_exe()?;
        let mut command = match wrapper {
            [] => Command::new(own),
            [program, options @ ..] => {
                let mut command = Command::new(program);
                command.args(options).arg(own);
                command
            }
        };
        Process::start(command.args(arguments).stdin(Stdio::piped()))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends this process once the load generator is gone.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
}

/// One spinner for each processor, or why there is none.
pub(crate) fn start_spinners() -> Result<Vec<Process>, String> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (0..processors)
        .map(|_| Process::start_self(&["chrt", "-i", "0"], &[SPINNER]))
        .collect::<io::Result<_>>()
        .map_err(|error| format!("no idle-class spinners (chrt: {error}): wake-ups may hide everything else"))
}

/// The spinner's own life: it keeps a processor from going to sleep, and gives way to anybody.
pub(crate) fn spin() -> ! {
    end_with_parent();
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Has the calling thread run on the first processor only, and another process on the second, or says why not.
///
/// One client and one server that take turns are fast where the kernel puts both on one processor, and slow where each
/// wakes the other's: which of the two happens is chance, unless it is settled.
pub(crate) fn keep_apart(process: u32) -> Result<(), String> {
    let thread = std::fs::read_link("/proc/thread-self").map_err(|error| error.to_string())?;
    let thread = thread.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let process = process.to_string();
    for arguments in [["-p", "-c", "0", &thread].as_slice(), &["-a", "-p", "-c", "1", &process]] {
        let done =
            Command::new("taskset").args(arguments).output().map_err(|error| format!("taskset: {error}"))?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned());
        }
    }
    Ok(())
}

/// A loopback address whose port nobody listens on.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The argument that makes this binary a spinner.
pub(crate) const SPINNER: &str = "spinner";
