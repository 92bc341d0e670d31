//! Several bodies at once, each in a scope of its own: all of them, or the first.

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::{BoxError, Closed, Name, NodeKind, Scope, ScopeError, Task, TaskError, task};

impl Scope {
    /// Runs all `bodies` and returns their values in order. The first failure halts the rest and is returned once their
    /// cleanup is done. Cancel safe as [`Scope::run`].
    ///
    /// # Errors
    /// As for [`Scope::run`].
    pub async fn all<T, E, Fut, B>(
        &self,
        name: impl Into<Name>,
        bodies: impl IntoIterator<Item = B>,
    ) -> Result<Vec<T>, ScopeError>
    where
        B: FnOnce(Scope) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.run(name, |scope| async move {
            // Linked: whichever fails first drops this body where it awaits.
            let tasks = scope.contestants(NodeKind::Task, bodies)?;
            let mut values = Vec::with_capacity(tasks.len());
            for task in tasks {
                values.push(task.await?);
            }
            Ok::<_, BoxError>(values)
        })
        .await
    }

    /// Runs all `bodies` and returns what the first to settle gives, value or failure, once the others are halted and
    /// their cleanup is done. Cancel safe as [`Scope::run`].
    ///
    /// # Errors
    /// The failure of the first to settle, else as for [`Scope::run`]; [`Cause::Halted`](crate::Cause::Halted) when there are no bodies.
    pub async fn race<T, E, Fut, B>(
        &self,
        name: impl Into<Name>,
        bodies: impl IntoIterator<Item = B>,
    ) -> Result<T, ScopeError>
    where
        B: FnOnce(Scope) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.run(name, |scope| async move {
            let tasks = scope.contestants(NodeKind::Supervised, bodies)?;
            let mut settling: FuturesUnordered<_> = tasks.into_iter().collect();
            Ok::<_, BoxError>(settling.next().await.unwrap_or(Err(TaskError::Halted))?)
        })
        .await
    }

    /// Starts each body as a task of `kind`, in a scope of its own named by its index.
    fn contestants<T, E, Fut, B>(
        &self,
        kind: NodeKind,
        bodies: impl IntoIterator<Item = B>,
    ) -> Result<Vec<Task<T>>, Closed>
    where
        B: FnOnce(Scope) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let start = |(index, body): (usize, B)| {
            let scope = self.clone();
            let name = Name::from(index.to_string());
            let contest = {
                let name = name.clone();
                async move { scope.run(name, body).await }
            };
            task::launch(&self.inner, name, kind, contest, |task| task::spawn_on(&self.inner.runtime, task))
        };
        bodies.into_iter().enumerate().map(start).collect()
    }
}
