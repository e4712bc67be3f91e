#include "storage/recovery_survey.h"

#include <algorithm>

#include "storage/recovery_scan.h"

namespace kvorum::storage {
namespace {

void scan_file(FileSystem& files, const InstanceId& instance, const SegmentFile& segment,
               uint64_t offset, Survey& survey) {
  ScanPlace place;
  place.instance = instance;
  place.segment = segment.number;
  place.boot = segment.begun ? segment.header.boot : 0;
  place.recycled_bytes = segment.begun ? segment.start.recycled_bytes : segment.file_bytes;
  place.file_bytes = segment.file_bytes;
  place.offset = offset;
  const auto file = files.open(segment.path, OpenMode::kRead);
  const auto scan = file.ok() ? scan_tail(**file, place) : file.status();
  if (!scan.ok()) {
    survey.claim_unknown = true;
    return;
  }
  survey.claim = std::max(survey.claim, scan->claim);
  survey.claim_unknown |= scan->claim_unknown || scan->missed;
  survey.hard_state = std::max(survey.hard_state, scan->hard_state);
}

}  // namespace

Survey survey_rest(FileSystem& files, const InstanceId& instance,
                   const std::vector<const SegmentFile*>& rest, uint64_t offset) {
  Survey survey;
  // The newest start says where the log was then; what is before it need not be looked at.
  size_t from = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (!rest[i]->begun) continue;
    survey.hard_state = std::max(survey.hard_state, rest[i]->start.hard_state);
    if (i == 0 && offset > 0) continue;
    from = i;
    survey.claim = std::max(rest[i]->header.last, rest[i]->start.claim);
    survey.claim_unknown = rest[i]->start.claim_unknown;
  }
  for (size_t i = from; i < rest.size(); ++i) {
    scan_file(files, instance, *rest[i], i == 0 ? offset : 0, survey);
  }
  return survey;
}

}  // namespace kvorum::storage
