"""What a worker that was killed leaves behind is taken up, whatever has piled up behind it."""

from liyu.core.database import Sessions
from liyu.core.jobs import defer
from liyu.core.settings import Settings
from tests.worker import Worker
from tests.world import open_world


async def test_jobs_of_a_killed_worker_are_taken_up_although_others_of_their_kind_wait(
    settings: Settings, sessions: Sessions
) -> None:
    async with open_world(settings.database_url or "") as world:
        connection = world.connection
        for task in ("issue_campaigns", "forget_old_limits"):
            await defer(connection, task, timestamp=0)
        await connection.execute("UPDATE procrastinate_jobs SET status = 'doing', queueing_lock = task_name")
        await defer(connection, "issue_campaigns", timestamp=0)
        await connection.execute(
            "UPDATE procrastinate_jobs SET queueing_lock = task_name, scheduled_at = now() + interval '1 hour' "
            "WHERE status = 'todo'"
        )
        await defer(connection, "retry_stalled", timestamp=0)
        for _ in range(2):
            await Worker(settings, world.clock, sessions).run()
        found = await connection.execute("SELECT task_name, status::text FROM procrastinate_jobs ORDER BY id")
        assert await found.fetchall() == [
            ("liyu:issue_campaigns", "failed"), ("liyu:forget_old_limits", "succeeded"), ("liyu:issue_campaigns", "todo"),
            ("liyu:retry_stalled", "succeeded"),
        ]  # fmt: skip
