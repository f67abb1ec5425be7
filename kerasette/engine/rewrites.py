"""Rewrites of a plan that make it faster and change no number, by what its operations declare."""

from collections import Counter

from kerasette.engine.steps import Bias, Halved, Step, Unbiased


def leave_activations_to_losses(plan, fused) -> None:
    """Lets a loss see what goes into the last activation, where it fuses that itself.

    Only where nothing else reads the activated value.

    Args:
        plan: the Plan.
        fused: for each output, the name of the activation that its loss takes over, or None.
    """
    makers = {slot: step for step in plan.steps for slot in step.targets}
    read = {slot for step in plan.steps for slot in step.sources}
    counts, taken = Counter(plan.outputs), set()
    for position, name in enumerate(fused):
        slot = plan.outputs[position]
        last = makers.get(slot)
        if name is None or last is None or last.operation.fuses_with != name:
            continue
        if slot in read or counts[slot] > 1:
            continue
        taken.add(last)
        plan.outputs[position] = last.sources[0]
        plan.fused[position] = True
    if taken:
        plan.steps = [step for step in plan.steps if step not in taken]


def rectify_after_maxima(plan) -> None:
    """Swaps each ReLU with the maximum over windows behind it, which leaves fewer numbers to rectify.

    max(relu(x)) is relu(max(x)), and so are the gradients: where the maximum is above 0 its place is
    the same, and where it isn't there is none. Only where nothing else reads the rectified value.
    """
    readers = plan.readers()
    place = {step.sources[0]: k for k, step in enumerate(plan.steps) if step.operation.keeps_order}
    for k, relu in enumerate(plan.steps):
        slot = relu.targets[0]
        if relu.operation.fuses_with != "relu" or slot not in place or readers[slot] > 1:
            continue
        pool, at = plan.steps[place[slot]], place[slot]
        between = plan.add_slot(plan.shapes[pool.targets[0]])
        pool.sources, relu.sources = relu.sources, (between,)
        pool.targets, relu.targets = (between,), pool.targets
        plan.steps[k], plan.steps[at] = pool, relu


def add_biases_late(plan) -> None:
    """Adds a bias behind the maximum over windows, and in one step with a ReLU that follows.

    max(x + b) is max(x) + b, and the places of the maxima are the same. That leaves fewer numbers to add it
    to, and to sum up for its gradient, or one pass instead of two. Only where nothing else reads the values
    in between, and no window reaches over several channels.
    """
    readers = plan.readers()
    reader = {step.sources[0]: step for step in plan.steps if len(step.sources) == 1}
    reader = {slot: step for slot, step in reader.items() if readers[slot] == 1}
    late = {}  # step -> the operation that adds a bias to its result
    for step in plan.steps:
        if step.operation.output_bias is None:
            continue
        last, follower = step, reader.get(step.targets[0])
        if follower is not None and follower.operation.keeps_order and _move_alike(step, follower):
            last, follower = follower, reader.get(follower.targets[0])
        rectifies = follower is not None and follower.operation.fuses_with == "relu"
        if not rectifies and last is step:
            continue
        bias = Bias(step.operation, rectifies)
        step.operation = step.layer = Unbiased(step.operation)
        if rectifies:
            follower.operation = follower.layer = bias
        else:
            late[last] = bias
    plan.steps = [one for step in plan.steps for one in (step, *_added(plan, step, late))]


def _move_alike(one, other):
    """Tells whether the windows of two steps move along the same axes, so that channels stay apart."""
    return one.operation.data_format == other.operation.data_format


def _added(plan, step, late):
    """Returns the step that adds a bias to what `step` makes, if there is one."""
    if step not in late:
        return ()
    between = plan.add_slot(plan.shapes[step.targets[0]])
    added = Step(late[step], late[step], (between,), step.targets, in_place=True)
    added.maker = step.maker
    step.targets = (between,)
    return (added,)


def take_maxima_at_once(plan) -> None:
    """Makes one step of an operation and of the maxima of 2 x 2 of its results, if it can do both.

    Only where nothing else reads the results.
    """
    readers = plan.readers()
    makers = {step.targets[0]: step for step in plan.steps if step.operation.joins_maxima}
    joined = set()
    for step in plan.steps:
        maker = makers.get(step.sources[0]) if step.operation.halves else None
        if maker is not None and readers[maker.targets[0]] == 1:
            maker.operation = maker.layer = Halved(maker.operation)
            maker.targets = step.targets
            joined.add(step)
    plan.steps = [step for step in plan.steps if step not in joined]


def stop_early(plan) -> None:
    """Lets steps leave out the end of their result where its only reader leaves it unread.

    Pooling leaves a last row unread where its windows don't fill the image, as after most convolutions
    without zeros around.
    """
    readers = plan.readers()
    makers = {step.targets[0]: step for step in plan.steps if step.operation.stops_early}
    for step in plan.steps:
        slot = step.sources[0] if step.sources else None
        if step.operation.reads is None or slot not in makers or readers[slot] > 1:
            continue
        if not _move_alike(makers[slot], step):
            continue
        part = tuple(step.operation.reads(plan.shapes[slot]))
        if part != tuple(plan.shapes[slot]):
            makers[slot].options = {**makers[slot].options, "part": part}
            plan.shapes[slot] = part
