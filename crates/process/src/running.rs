//! Everything one child holds, from before its start until nothing of it is left.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::census::Quarry;
use crate::cgroup::ChildCgroup;
use crate::chase::Chase;
use crate::error::StopError;
use crate::leader::Leader;
use crate::output::Sink;
use crate::ports::Port;
use crate::procfs::{self, Stat};
use crate::reaper;
use crate::runtime_dir::SocketPath;
use crate::walker::Walker;

/// How long the end of the leader is waited for before the first look around.
const LEADER_PATIENCE: Duration = Duration::from_millis(50);

/// One child. Shared by whoever uses it and by the finalizer of its scope, which ends it.
#[derive(Debug)]
pub(crate) struct Running {
    /// Whom its end must find, without the leader.
    pub(crate) quarry: Quarry,
    pub(crate) cgroup: Option<ChildCgroup>,
    pub(crate) sink: Arc<Sink>,
    /// Told by the spawning thread, so that it is known even when the start was given up meanwhile.
    pub(crate) stage: watch::Sender<Stage>,
    /// Everybody below the leader when it was told to end: once it is gone, nothing shows any more whose they were.
    pub(crate) family: Mutex<Vec<(u32, u64)>>,
    /// Given back when the end is complete.
    pub(crate) place: Mutex<Option<Listening>>,
    pub(crate) walker: Walker,
    pub(crate) kill_budget: Duration,
    /// Whether the end is complete; locked while it is under way, so that it happens once.
    pub(crate) ended: tokio::sync::Mutex<bool>,
}

/// How far the start has come.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Nothing was ordered from the spawning thread.
    Planned,
    /// The order is placed and will be answered.
    Ordered,
    /// There is no process and will be none.
    Failed,
    Alive(Arc<Leader>),
}

/// What a child was told to listen on, and keeps from others.
#[derive(Debug)]
pub(crate) enum Listening {
    Port(Port),
    Socket(SocketPath),
}

impl Running {
    /// The quarry with the leader as long as its pid is its own.
    fn quarry_of(&self, leader: &Leader) -> Quarry {
        let family = self.family.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Quarry { leader: Some(leader.pid()), family, ..self.quarry.clone() }
    }

    /// A cgroup tells who belongs to the child, whatever becomes of the leader. Without one its children have to be noted in time.
    fn note_family(&self, leader: &Leader) {
        if leader.is_in_cgroup() {
            return;
        }
        let mut family = self.family.lock().unwrap_or_else(PoisonError::into_inner);
        for pid in procfs::family(leader.pid()) {
            let Ok(stat) = Stat::of(pid) else { continue };
            if !family.contains(&(pid, stat.started)) {
                family.push((pid, stat.started));
            }
        }
    }

    /// Asks the whole group to end and waits for the leader until `deadline`. Cancel safe: then the question stands.
    pub(crate) async fn drain(&self, leader: &Leader, deadline: Instant) {
        self.note_family(leader);
        leader.signal_group(Signal::TERM);
        let _ = timeout_at(deadline, leader.exited()).await;
    }

    /// Ends everything of this child by force and gives back what it held. Idempotent; cancel safe: a later call goes on.
    ///
    /// # Errors
    /// The kill budget or the deadline passed first.
    pub(crate) async fn end(&self, deadline: Instant) -> Result<(), StopError> {
        let mut ended = self.ended.lock().await;
        if *ended {
            return Ok(());
        }
        let began = Instant::now();
        let deadline = deadline.min(began + self.kill_budget);
        let left = |pids| StopError { after: began.elapsed(), pids };
        if let Some(leader) = self.settled(deadline).await.ok_or_else(|| left(Vec::new()))? {
            self.kill(&leader, deadline).await.map_err(left)?;
            leader.reap();
        }
        reaper::reap_adopted();
        if let Some(cgroup) = &self.cgroup {
            cgroup.remove();
        }
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        *ended = true;
        Ok(())
    }

    async fn kill(&self, leader: &Leader, deadline: Instant) -> Result<(), Vec<u32>> {
        self.note_family(leader);
        let cgroup = self.cgroup.as_ref().map(|cgroup| cgroup.path().to_owned());
        let mut chase = Chase::new(self.quarry_of(leader), cgroup);
        leader.signal_group(Signal::KILL);
        // For nearly every child this is all. The chase is for those who left the group, and to be certain.
        let soon = Instant::now() + LEADER_PATIENCE;
        chase.is_pending();
        let _ = timeout_at(deadline.min(soon), leader.exited()).await;
        self.walker.run(&mut chase, deadline).await
    }

    /// The leader, once the spawning thread has answered; nothing when there never was one.
    async fn settled(&self, deadline: Instant) -> Option<Option<Arc<Leader>>> {
        let mut stage = self.stage.subscribe();
        let settled = stage.wait_for(|stage| !matches!(stage, Stage::Ordered));
        // The sender lives in `self`, so waiting can only time out.
        match &*timeout_at(deadline, settled).await.ok()?.ok()? {
            Stage::Planned | Stage::Failed | Stage::Ordered => Some(None),
            Stage::Alive(leader) => Some(Some(Arc::clone(leader))),
        }
    }
}
