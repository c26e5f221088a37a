// A session at the board: from when this tab was opened, towards a goal one may set oneself.
const GOAL = 'prefloop-goal';
const BEGAN = 'prefloop-began';

const session = {
  draw({ done, goal }) {
    const began = Number(sessionStorage.getItem(BEGAN) ?? done);
    if (sessionStorage.getItem(BEGAN) === null || began > done) sessionStorage.setItem(BEGAN, String(done));
    const wanted = Number(localStorage.getItem(GOAL)) || goal;
    const made = Math.max(0, done - began);
    part('fill').style.width = `${Math.min(100, (100 * made) / wanted)}%`;
    part('count').textContent = `${made} / ${wanted}`;
    part('progress').title = t('{done} judgments in all', { done });
    part('progress').setAttribute('aria-valuemax', wanted);
    part('progress').setAttribute('aria-valuenow', made);
    part('goal').value = wanted;
    return made > 0 && made === wanted;
  },
};
part('goal').addEventListener('change', () => {
  const goal = Math.round(Number(part('goal').value));
  if (goal >= 1) localStorage.setItem(GOAL, String(goal));
  else localStorage.removeItem(GOAL);
  session.draw(view);
});
