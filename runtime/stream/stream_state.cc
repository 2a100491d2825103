#include "runtime/stream/stream_state.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "format/base/assert.h"
#include "format/base/blocked_signals.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::internal {

StreamState::~StreamState() { QLOAD_ASSERT(!threads_[0].joinable()); }

Status StreamState::start(std::stop_token caller_stop) {
  area_ = PortionArea(facts.portion_bytes);
  touched_top_ = facts.portion_bytes;
  // Pages of a block that an earlier load has filled are there.
  if (!area_memory.block.fresh_mapping()) touched_bottom_ = facts.portion_bytes;
  const BlockedSignals blocked;
  try {
    for (std::thread& thread : threads_) {
      thread = std::thread([this] { thread_main(); });
    }
    caller_stop_.emplace(std::move(caller_stop), [this] {
      stop_source.request_stop();
      const std::lock_guard lock(mutex_);
      changed_.notify_all();
    });
  } catch (const std::exception&) {  // system_error, bad_alloc.
    stop();
    return Error(ErrorCode::kOutOfMemory, "cannot start a thread of the layer stream");
  }
  return Ok{};
}

void StreamState::stop() {
  caller_stop_.reset();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_source.request_stop();
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool StreamState::done() const {
  const std::lock_guard lock(mutex_);
  return next_take_ == total;
}

// Parts are loaded in order, so there is one that may be next.
bool StreamState::may_load() const {
  return next_load_ < total && ahead_.size() < kAheadMax && find_room(next_load_).has_value();
}

// Parts without memory have no turn: what follows them stands beside what went before.
std::optional<uint64_t> StreamState::find_room(uint64_t number) const {
  const uint64_t bytes = part_of(number).bytes;
  if (bytes == 0) return kNoMemory;
  uint64_t next_bytes = 0;
  for (size_t i = 1; facts.overlaps && next_bytes == 0 && i <= plan.parts.size(); ++i) {
    next_bytes = part_of(number + i).bytes;
  }
  const auto end = placed_parts_ % 2 == 0 ? PortionArea::End::kBottom : PortionArea::End::kTop;
  const auto place = area_.find(bytes, next_bytes, end);
  if (place || !caller_waits_) return place;
  // With nothing ahead any place is better than none.
  return area_.find(bytes, 0, end);
}

void StreamState::thread_main() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] {
      return stopping_ || error_ || next_load_ == total || stop_source.stop_requested() ||
             may_load();
    });
    if (stopping_ || error_ || next_load_ == total || stop_source.stop_requested()) return;
    try {
      load_next(lock);
    } catch (const std::bad_alloc&) {
      if (!lock.owns_lock()) lock.lock();
      if (!error_) error_ = Error(ErrorCode::kOutOfMemory, "out of memory");
      changed_.notify_all();
    }
  }
}

// What may throw comes before the part counts as under way.
void StreamState::load_next(std::unique_lock<std::mutex>& lock) {
  const uint64_t number = next_load_++;
  const uint64_t bytes = part_of(number).bytes;
  const uint64_t offset = *find_room(number);
  std::span<std::byte> fresh;
  if (offset != kNoMemory) {
    area_.take(offset, bytes);
    ++placed_parts_;
    fresh = take_fresh(offset, bytes);
  }
  ahead_.push_back({number, offset, false});
  pass_of(number);
  if (offset == kNoMemory) {
    ahead_.back().ready = true;
    changed_.notify_all();
    return;
  }
  count_loading(+1, number);
  LoadStatistics statistics;
  Status status = Ok{};
  lock.unlock();
  try {
    status = load_part(number, offset, fresh, statistics);
  } catch (const std::bad_alloc&) {
    status = Error(ErrorCode::kOutOfMemory, "out of memory");
  }
  lock.lock();
  count_loading(-1, number);
  PassStatistics& pass = pass_of(number);
  pass.bytes_read += statistics.bytes_read;
  pass.bytes_stored += statistics.bytes_stored;
  pass.bytes_decoded += statistics.bytes_decoded;
  pass.decode_busy_seconds += statistics.decode_busy_seconds;
  if (status.ok()) {
    std::find_if(ahead_.begin(), ahead_.end(), [&](const Ahead& one) {
      return one.number == number;
    })->ready = true;
  } else if (!error_) {
    error_ = std::move(status).error();
  }
  changed_.notify_all();
}

Status StreamState::load_part(uint64_t number, uint64_t offset, std::span<std::byte> fresh,
                              LoadStatistics& statistics) {
  const auto begin = Clock::now();
  std::byte* const memory = area_memory.block.data() + offset;
  std::vector<LoadTarget> stored;
  std::vector<LoadTarget> kept;
  for (const PartRange& range : plan.ranges_of(part_of(number))) {
    const Tier tier = tiers[range.tensor];
    if (tier == Tier::kDecoded || range.bytes == 0) continue;
    (tier == Tier::kStorage ? stored : kept)
        .push_back({range.tensor, memory + range.part_offset, area_memory.block.direct_allowed(),
                    range.chunks});
  }
  LoadOptions options = load;
  options.stop = stop_source.get_token();
  options.statistics = &statistics;
  LoadSetting setting{.fresh_memory = fresh, .series = {this, number}};
  if (!stored.empty()) {
    QLOAD_CHECK(run_load(*loader, *model, stored, setting, options, begin));
    setting.fresh_memory = {};
  }
  if (kept.empty()) return Ok{};
  LoadStatistics decoded;
  options.statistics = &decoded;
  Status status = run_decode(*loader, *model, packed->store, kept, setting, options, begin);
  statistics.bytes_decoded += decoded.bytes_decoded;
  statistics.decode_busy_seconds += decoded.decode_busy_seconds;
  return status;
}

// Portions come from both ends, so what was touched grows from both; the rest, in between, is one
// run.
std::span<std::byte> StreamState::take_fresh(uint64_t offset, uint64_t bytes) {
  const uint64_t begin = std::max(offset, touched_bottom_);
  const uint64_t end = std::min(offset + bytes, touched_top_);
  if (begin >= end) return {};
  if (offset <= touched_bottom_) {
    touched_bottom_ = end;
  } else if (offset + bytes >= touched_top_) {
    touched_top_ = begin;
  }
  return {area_memory.block.data() + begin, end - begin};
}

Error StreamState::no_room(uint64_t number) const {
  const GroupRecord& group = model->container.index.groups()[part_of(number).group];
  const std::string what =
      group.layer == kNoLayer ? text("group ", part_of(number).group) : text("layer ", group.layer);
  return Error(ErrorCode::kBudgetTooSmall,
               text(what, " needs ", part_of(number).bytes, " bytes; the caller holds ",
                    held_parts_, " layers of ", area_.used_bytes(), " bytes, and the budget has ",
                    area_.bytes(), " for layers: release some"));
}

Status StreamState::take_next(uint64_t& number, uint64_t& offset) {
  std::unique_lock lock(mutex_);
  const auto begin = Clock::now();
  if (next_take_ == total) {
    return Error(ErrorCode::kInvalidArgument, "the stream is done: it has given out all layers");
  }
  begin_pass(next_take_);
  while (true) {
    if (stop_source.stop_requested()) return Error(ErrorCode::kCancelled, "cancelled");
    if (!ahead_.empty() && ahead_.front().ready) break;
    // Parts before the one that failed may still arrive.
    if (error_ && loading_ == 0) return *error_;
    if (ahead_.empty() && !may_load()) {
      caller_waits_ = true;
      if (!may_load()) {
        caller_waits_ = false;
        return no_room(next_take_);
      }
      changed_.notify_all();
    }
    changed_.wait(lock);
  }
  caller_waits_ = false;
  number = ahead_.front().number;
  offset = ahead_.front().offset;
  QLOAD_ASSERT(number == next_take_);
  ahead_.pop_front();
  ++next_take_;
  if (offset != kNoMemory) ++held_parts_;
  const auto now = Clock::now();
  PassStatistics& pass = pass_of(number);
  pass.wait_seconds += std::chrono::duration<double>(now - begin).count();
  if (next_take_ % plan.parts.size() == 0) {
    pass.seconds = std::chrono::duration<double>(now - pass_begin_).count();
    if (pass.load_seconds > 0) {
      pass.overlap = std::max(0.0, 1 - pass.wait_seconds / pass.load_seconds);
    }
    last_pass_ = pass;
    passes_.pop_front();
  }
  changed_.notify_all();  // There may be one fewer ahead than allowed.
  return Ok{};
}

// The first call for a pass ends the one before it: its last layer has been used.
void StreamState::begin_pass(uint64_t number) {
  if (number % plan.parts.size() != 0 || begun_ == number) return;
  begun_ = number;
  const auto now = Clock::now();
  if (number > 0) {
    last_pass_.seconds = std::chrono::duration<double>(now - pass_begin_).count();
  }
  pass_begin_ = now;
}

void StreamState::release(uint64_t offset) {
  if (offset == kNoMemory) return;
  {
    const std::lock_guard lock(mutex_);
    area_.release(offset);
    --held_parts_;
  }
  changed_.notify_all();
}

PassStatistics StreamState::last_pass() const {
  const std::lock_guard lock(mutex_);
  return last_pass_;
}

PassStatistics& StreamState::pass_of(uint64_t number) {
  const auto pass = static_cast<uint32_t>(number / plan.parts.size());
  const auto oldest = static_cast<uint32_t>(next_take_ / plan.parts.size());
  const uint32_t first = passes_.empty() ? std::min(oldest, pass) : passes_.front().pass;
  while (passes_.size() <= pass - first) {
    PassStatistics fresh;
    fresh.pass = first + static_cast<uint32_t>(passes_.size());
    passes_.push_back(fresh);
  }
  return passes_[pass - first];
}

// Time in which some part is under way counts for the pass of the one that ends or begins then.
void StreamState::count_loading(int change, uint64_t number) {
  const auto now = Clock::now();
  if (loading_ > 0) {
    pass_of(number).load_seconds += std::chrono::duration<double>(now - loading_since_).count();
  }
  loading_since_ = now;
  loading_ += static_cast<uint32_t>(change);
}

}  // namespace qload::internal
